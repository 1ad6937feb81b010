import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { nodeFlags } from '#libs/run-app/node-flags.ts';

const root = join(import.meta.dirname, '..');
it('Redis is asked for the same as by the API, wherever it runs', async () => {
  for (const file of ['deploy/kubernetes/redis/redis.yaml', 'docker-compose.yml']) {
    const text = await readFile(join(root, file), 'utf8');
    for (const setting of [
      'appendonly yes',
      'appendfsync always',
      'no-appendfsync-on-rewrite no',
      'maxmemory-policy noeviction',
    ])
      expect(text, file).toContain(setting);
  }
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

it('the API and workers run with the same flags of Node.js however they are started', async () => {
  const { scripts } = z
    .object({ scripts: z.record(z.string(), z.string()) })
    .parse(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')));
  for (const [role, flags] of Object.entries(nodeFlags))
    expect(scripts[role]).toBe(`exec node ${flags.join(' ')} launch.js apps/${role}/main.ts`);
  const fileHas = async (file: string, line: string) =>
    expect((await readFile(join(root, file), 'utf8')).split('\n').map((text) => text.trim())).toContain(line);
  // In the image all have those of workers, unless their command says otherwise.
  await fileHas('Dockerfile', `ENV NODE_OPTIONS=${nodeFlags.worker.join(' ')}`);
  const api = [...nodeFlags.api, 'apps/api/main.ts'].join(', ');
  await fileHas('docker-compose.yml', `command: [${api}]`);
  await fileHas('deploy/kubernetes/api.yaml', `args: [${api}]`);
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

it('the image has no package that only tests want, although npm keeps those that an optional peer names too', async () => {
  const { packages } = z
    .object({ packages: z.record(z.string(), z.object({ devOptional: z.boolean().default(false) })) })
    .parse(JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')));
  const kept = Object.keys(packages).filter((path) => packages[path]?.devOptional);
  const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8');
  const removed = /^RUN npm ci --omit=dev && rm -rf (.+)$/m.exec(dockerfile)?.[1]?.split(' ') ?? [];
  expect(kept).not.toEqual([]);
  expect(removed).toEqual(expect.arrayContaining(kept));
});
