import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { loadConfig } from '#libs/config/config.ts';
import { Environment } from '#libs/config/environment.ts';
import { Labels, type Manifests, readManifests, root, Selector, selects } from './kubernetes-files.ts';

const read = (file: string) => readFile(join(root, file), 'utf8');

let manifests: Manifests;
beforeAll(async () => {
  manifests = await readManifests();
});

describe('deploy/kubernetes', () => {
  it('confines every container, and mounts what is there', async () => {
    expect(manifests.workloads()).toHaveLength(4);
    for (const { name, spec, pod, labels, container } of manifests.workloads()) {
      expect(labels, name).toMatchObject(spec.selector.matchLabels);
      for (const { labelSelector } of pod.topologySpreadConstraints)
        expect(selects(labelSelector, labels), name).toBe(true);
      const volumes = [...pod.volumes, ...spec.volumeClaimTemplates.map(({ metadata }) => metadata)];
      expect(container.volumeMounts.map((mount) => mount.name).sort()).toEqual(
        volumes.map((volume) => volume.name).sort(),
      );
      for (const { persistentVolumeClaim, configMap } of pod.volumes) {
        if (persistentVolumeClaim)
          expect(manifests.names('PersistentVolumeClaim')).toContain(persistentVolumeClaim.claimName);
        if (configMap) expect(manifests.names('ConfigMap')).toContain(configMap.name);
      }
      if (spec.serviceName !== undefined) expect(manifests.names('Service')).toContain(spec.serviceName);
    }
  });

  it('has no two things of one name, and every name is its own', () => {
    const all = manifests.resources.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(all).size).toBe(all.length);
    for (const { metadata } of manifests.resources)
      expect(metadata.labels['app.kubernetes.io/part-of']).toBe('post-to-x');
  });

  it('runs programs of the image, all of one version', async () => {
    const { version } = z.object({ version: z.string() }).parse(JSON.parse(await read('package.json')));
    for (const { container } of manifests.ours()) {
      expect(container.image).toBe(`registry.example.com/post-to-x:${version}`);
      await access(join(root, container.args.at(-1) ?? '-'));
    }
  });

  it('gives every process an environment that it starts with', () => {
    for (const pod of manifests.ours()) {
      const environment = manifests.environmentOf(pod);
      const known = Object.keys(environment).filter((name) => name !== 'REDIS_PASSWORD');
      expect(Object.keys(Environment.shape)).toEqual(expect.arrayContaining(known));
      const role = pod.name.endsWith('-api') ? 'api' : 'worker';
      const config = loadConfig(environment, role);
      expect(config.notices).toEqual([]);
      expect(new URL(config.redisUrl ?? '').hostname).toBe('post-to-x-redis');
      expect(pod.container.volumeMounts.map(({ mountPath }) => mountPath)).toContain(config.dataDir);
      if (role === 'api') expect(pod.container.ports[0]?.containerPort).toBe(config.http.port);
    }
    const queues = manifests.ours().flatMap((pod) => manifests.environmentOf(pod).WORKER_QUEUES ?? []);
    expect(queues.sort()).toEqual(['media', 'tweets']);
  });

  it('asks for secrets that the README tells to make', () => {
    for (const { container } of manifests.workloads()) {
      const refs = container.env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []);
      for (const { name, key } of refs) expect(manifests.secrets.get(name)).toContain(key);
      for (const { configMapRef, secretRef } of container.envFrom) {
        if (configMapRef) expect(manifests.names('ConfigMap')).toContain(configMapRef.name);
        if (secretRef) expect(manifests.secrets.has(secretRef.name)).toBe(true);
      }
    }
  });

  it('asks the API for addresses that it has', async () => {
    const { paths } = z
      .object({ paths: z.record(z.string(), z.unknown()) })
      .parse(parse(await read('openapi.yaml')));
    const api = manifests.workloads().find(({ name }) => name === 'post-to-x-api');
    const { startupProbe, livenessProbe, readinessProbe, ports = [] } = api?.container ?? {};
    for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
      expect(Object.keys(paths)).toContain(probe?.httpGet?.path);
      expect(ports.map(({ name }) => name)).toContain(probe?.httpGet?.port);
    }
    expect(readinessProbe?.httpGet?.path).toBe('/readyz');
    // Redis being away must not restart it.
    expect(livenessProbe?.httpGet?.path).toBe('/healthz');
  });

  it('leads every Service, budget and rule of the network to pods that exist', () => {
    const Service = z.looseObject({
      spec: z.looseObject({ selector: Labels, ports: z.array(z.looseObject({ targetPort: z.string() })) }),
    });
    for (const resource of manifests.ofKind('Service')) {
      const { selector, ports } = Service.parse(resource).spec;
      const [pod] = manifests
        .workloads()
        .filter(({ labels }) => selects(Selector.parse({ matchLabels: selector }), labels));
      for (const { targetPort } of ports)
        expect(pod?.container.ports.map(({ name }) => name)).toContain(targetPort);
    }
    const selectors = [
      ...manifests
        .ofKind('PodDisruptionBudget')
        .map((budget) => z.object({ selector: Selector }).parse(budget.spec).selector),
      ...manifests
        .ofKind('NetworkPolicy')
        .map((policy) => z.object({ podSelector: Selector }).parse(policy.spec).podSelector),
    ];
    expect(selectors).toHaveLength(7);
    for (const selector of selectors)
      expect(manifests.workloads().some(({ labels }) => selects(selector, labels))).toBe(true);
    // Everything of ours has a budget, so that a drained node never takes the last of its kind without need.
    for (const { name, labels } of manifests.ours())
      expect(
        selectors.slice(0, 3).filter((selector) => selects(selector, labels)),
        name,
      ).toHaveLength(1);
  });

  it('lets workers reach no address of the cloud or the cluster, and nobody a worker', () => {
    const policies = manifests.ofKind('NetworkPolicy');
    const outward = JSON.stringify(policies.find(({ metadata }) => metadata.name === 'post-to-x-outward'));
    for (const range of ['169.254.0.0/16', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'])
      expect(outward).toContain(range);
    const workers = policies.find(({ metadata }) => metadata.name === 'post-to-x-workers');
    expect(workers?.spec).toMatchObject({ policyTypes: ['Ingress'], ingress: [] });
  });
});
