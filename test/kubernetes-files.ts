import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';

export const root = join(import.meta.dirname, '..');
const folder = join(root, 'deploy/kubernetes');

export const Labels = z.record(z.string(), z.string());
export const Selector = z.object({
  matchLabels: Labels.default({}),
  matchExpressions: z
    .array(z.object({ key: z.string(), operator: z.literal('In'), values: z.array(z.string()) }))
    .default([]),
});
export const Named = z.object({ name: z.string() });
const Probe = z.looseObject({ httpGet: z.object({ path: z.string(), port: z.string() }).optional() });
const Container = z.looseObject({
  image: z.string(),
  args: z.array(z.string()),
  envFrom: z.array(z.object({ configMapRef: Named.optional(), secretRef: Named.optional() })).default([]),
  env: z.array(
    z.object({
      name: z.string(),
      value: z.string().optional(),
      valueFrom: z.object({ secretKeyRef: z.object({ name: z.string(), key: z.string() }) }).optional(),
    }),
  ),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  startupProbe: Probe.optional(),
  livenessProbe: Probe.optional(),
  readinessProbe: Probe.optional(),
  securityContext: z.object({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.object({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  resources: z.object({
    requests: z.object({ cpu: z.string(), memory: z.string() }),
    limits: z.object({ memory: z.string() }),
  }),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })),
});
const Workload = z.looseObject({
  spec: z.object({
    selector: Selector,
    serviceName: z.string().optional(),
    volumeClaimTemplates: z.array(z.object({ metadata: Named })).default([]),
    template: z.object({
      metadata: z.object({ labels: Labels }),
      spec: z.object({
        automountServiceAccountToken: z.literal(false),
        terminationGracePeriodSeconds: z.number().min(60),
        securityContext: z.looseObject({
          runAsNonRoot: z.literal(true),
          seccompProfile: z.object({ type: z.literal('RuntimeDefault') }),
        }),
        topologySpreadConstraints: z.array(z.looseObject({ labelSelector: Selector })).default([]),
        containers: z.tuple([Container]),
        volumes: z.array(
          z.looseObject({
            name: z.string(),
            persistentVolumeClaim: z.object({ claimName: z.string() }).optional(),
            configMap: Named.optional(),
          }),
        ),
      }),
    }),
  }),
});
const ConfigMap = z.object({ data: z.record(z.string(), z.string()) });
const Resource = z.looseObject({
  apiVersion: z.string().regex(/^([a-z0-9.]+\/)?v\d/),
  kind: z.string(),
  metadata: z.object({ name: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/), labels: Labels }),
});
type Resource = z.output<typeof Resource>;

/** @throws Error where a file is no YAML, or something in it has no name. */
async function readResources(): Promise<Resource[]> {
  const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.yaml'));
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  return texts.flatMap((text) =>
    parseAllDocuments(text).map((document) => {
      if (!('toJS' in document) || document.errors.length > 0)
        throw new Error(`${text.slice(0, 60)}… is no YAML`);
      return Resource.parse(document.toJS());
    }),
  );
}

export type Manifests = Awaited<ReturnType<typeof readManifests>>;

/** Everything in deploy/kubernetes, and what its README says about secrets. */
export async function readManifests() {
  const resources = await readResources();
  const secrets = await documentedSecrets();
  const ofKind = (kind: string) => resources.filter((resource) => resource.kind === kind);
  const names = (kind: string) => ofKind(kind).map(({ metadata }) => metadata.name);
  const workloads = () =>
    [...ofKind('Deployment'), ...ofKind('StatefulSet')].map((resource) => {
      const { spec } = Workload.parse(resource);
      const pod = spec.template.spec;
      const { name } = resource.metadata;
      return { name, spec, labels: spec.template.metadata.labels, pod, container: pod.containers[0] };
    });
  /** Those that run our image. */
  const ours = () => workloads().filter(({ name }) => name !== 'post-to-x-redis');

  /** What a pod's process sees, with the secrets made as the README says. */
  function environmentOf({
    container,
  }: {
    readonly container: z.output<typeof Container>;
  }): Record<string, string> {
    const random = Buffer.from('0123456789abcdefghijklmnopqrstuv').toString('base64');
    const environment: Record<string, string> = {};
    for (const { configMapRef, secretRef } of container.envFrom) {
      const map = ofKind('ConfigMap').find(({ metadata }) => metadata.name === configMapRef?.name);
      if (map) Object.assign(environment, ConfigMap.parse(map).data);
      for (const key of secrets.get(secretRef?.name ?? '') ?? [])
        environment[key] = key === 'TOKEN_KEYS' ? `k1:${random}` : random;
    }
    for (const { name, value, valueFrom } of container.env)
      environment[name] = valueFrom
        ? 'secret'
        : (value ?? '').replace(/\$\((\w+)\)/g, (_, other: string) => environment[other] ?? '');
    return environment;
  }

  return { resources, secrets, ofKind, names, workloads, ours, environmentOf };
}

/** Whether a selector means pods with these labels. */
export const selects = (
  { matchLabels, matchExpressions }: z.output<typeof Selector>,
  labels: Readonly<Record<string, string>>,
): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
  matchExpressions.every(({ key, values }) => values.includes(labels[key] ?? ''));

/** The secrets that the README tells to make, and their keys. */
async function documentedSecrets(): Promise<Map<string, string[]>> {
  const readme = (await readFile(join(folder, 'README.md'), 'utf8')).replaceAll('\\\n', ' ');
  const commands = [...readme.matchAll(/kubectl create secret generic (\S+) (.*)/g)];
  return new Map(
    commands.map(([, name = '', rest = '']) => [
      name,
      [...rest.matchAll(/--from-literal=(\w+)=/g)].flatMap(([, key]) => key ?? []),
    ]),
  );
}
