import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'deploy/kubernetes');

const Container = z.looseObject({
  args: z.array(z.string()),
  securityContext: z.object({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.object({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  resources: z.object({ limits: z.object({ memory: z.string() }) }),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })),
});
const Workload = z.object({
  spec: z.object({
    selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
    volumeClaimTemplates: z.array(z.object({ metadata: z.object({ name: z.string() }) })).default([]),
    template: z.object({
      metadata: z.object({ labels: z.record(z.string(), z.string()) }),
      spec: z.object({
        securityContext: z.looseObject({ runAsNonRoot: z.literal(true) }),
        containers: z.tuple([Container]),
        volumes: z.array(z.looseObject({ name: z.string() })),
      }),
    }),
  }),
});
const Resource = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.object({ name: z.string(), labels: z.record(z.string(), z.string()) }),
});

async function resources() {
  const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.yaml'));
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  return texts.flatMap((text) =>
    parseAllDocuments(text).map((document) => {
      expect('errors' in document && document.errors).toEqual([]);
      return Resource.parse('toJS' in document ? document.toJS() : {});
    }),
  );
}

const ofKind = async (kind: string) => (await resources()).filter((resource) => resource.kind === kind);
const workloads = async () => [...(await ofKind('Deployment')), ...(await ofKind('StatefulSet'))];

describe('deploy/kubernetes', () => {
  it('confines every container, and selects and mounts what is there', async () => {
    for (const workload of await workloads()) {
      const { spec } = Workload.parse(workload);
      expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels);
      const pod = spec.template.spec;
      const volumes = [...pod.volumes, ...spec.volumeClaimTemplates.map(({ metadata }) => metadata)];
      const mounted = pod.containers[0].volumeMounts.map(({ name }) => name);
      expect(mounted.sort()).toEqual(volumes.map(({ name }) => name).sort());
    }
    expect(await workloads()).toHaveLength(4);
  });

  it('scales and guards workloads that exist', async () => {
    const names = (await workloads()).map(({ metadata }) => metadata.name);
    const scaled = (await ofKind('ScaledObject')).map(
      (resource) =>
        z.object({ spec: z.object({ scaleTargetRef: z.object({ name: z.string() }) }) }).parse(resource).spec
          .scaleTargetRef.name,
    );
    expect(scaled.sort()).toEqual(['post-to-x-worker-media', 'post-to-x-worker-tweets']);
    const guarded = (await ofKind('PodDisruptionBudget')).map(({ metadata }) => metadata.name);
    for (const name of [...scaled, ...guarded]) expect(names).toContain(name);
  });

  it('lets workers reach no address of the cloud or the cluster', async () => {
    const policies = await ofKind('NetworkPolicy');
    const outward = JSON.stringify(policies.find(({ metadata }) => metadata.name === 'post-to-x-outward'));
    for (const range of ['169.254.0.0/16', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'])
      expect(outward).toContain(range);
  });

  it('asks Redis for the same as the API does', async () => {
    const texts = [
      await readFile(join(folder, 'redis/redis.yaml'), 'utf8'),
      await readFile(join(root, 'docker-compose.yml'), 'utf8'),
    ];
    const settings = [
      'appendonly yes',
      'appendfsync always',
      'no-appendfsync-on-rewrite no',
      'maxmemory-policy noeviction',
    ];
    for (const text of texts) for (const setting of settings) expect(text).toContain(setting);
  });
});

describe('docker-compose.yml', () => {
  it('confines every service, and publishes no port of Redis', async () => {
    const text = await readFile(join(root, 'docker-compose.yml'), 'utf8');
    const Service = z.looseObject({
      read_only: z.literal(true),
      init: z.literal(true),
      cap_drop: z.tuple([z.literal('ALL')]),
      security_opt: z.tuple([z.literal('no-new-privileges:true')]),
      mem_limit: z.string(),
      pids_limit: z.number(),
      ports: z.array(z.string()).default([]),
    });
    const { services } = z
      .looseObject({ services: z.record(z.string(), Service) })
      .parse(parse(text, { merge: true }));
    expect(Object.keys(services).sort()).toEqual(['api', 'https', 'redis', 'simulator', 'worker']);
    expect(services.redis?.ports).toEqual([]);
    expect(services.worker?.ports).toEqual([]);
  });
});

it('the image has what the server reads at run time, and nothing of the tests', async () => {
  const ignored = (await readFile(join(root, '.dockerignore'), 'utf8')).split('\n');
  const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8');
  for (const path of ['apps', 'libs', 'docs', 'openapi.yaml', 'launch.js']) {
    expect(ignored).toContain(`!${path}`);
    expect(dockerfile).toMatch(new RegExp(`^COPY .*\\b${path.replace('.', '\\.')}\\b`, 'm'));
  }
  expect(ignored[0]).toBe('*');
  expect(ignored).toContain('**/*.test.ts');
});
