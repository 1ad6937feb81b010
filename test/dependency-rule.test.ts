import { readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sourceFiles } from './source-files.ts';

const root = join(import.meta.dirname, '..');
const all = Symbol('may import everything');
const nothingOfOurs = [] as const;

/** Who may import whom, by folder; a folder may always import itself. */
const allowed: Readonly<Record<string, readonly string[] | typeof all>> = {
  'apps/start': all,
  'apps/client': nothingOfOurs,
  'apps/demo': ['apps/start', 'libs/config'],
  'apps/api': [
    ...[
      'libs/accounts',
      'libs/config',
      'libs/deployment',
      'libs/jobs',
      'libs/log',
      'libs/media',
      'libs/problem',
      'libs/redis',
    ],
    ...['libs/run-app', 'libs/sealing', 'libs/spool', 'libs/x-api', 'libs/insight', 'libs/publish'],
  ],
  'apps/worker': [
    ...[
      'libs/accounts',
      'libs/config',
      'libs/deployment',
      'libs/jobs',
      'libs/log',
      'libs/media',
      'libs/problem',
      'libs/publish',
    ],
    ...['libs/redis', 'libs/run-app', 'libs/sealing', 'libs/spool', 'libs/x-api', 'libs/insight'],
  ],
  'apps/x-simulator': nothingOfOurs,
  'apps/import-token': [
    ...['libs/accounts', 'libs/config', 'libs/deployment', 'libs/redis', 'libs/sealing', 'libs/spool'],
    'libs/x-api',
  ],
  'apps/rotate-keys': [
    ...['libs/accounts', 'libs/config', 'libs/deployment', 'libs/jobs', 'libs/redis', 'libs/sealing'],
    'libs/spool',
  ],
  'libs/publish': [
    ...['libs/jobs', 'libs/accounts', 'libs/media', 'libs/x-api', 'libs/spool', 'libs/problem', 'libs/redis'],
    'libs/insight',
    'libs/sealing',
  ],
  'libs/jobs': ['libs/x-api', 'libs/sealing', 'libs/problem', 'libs/redis', 'libs/insight'],
  'libs/accounts': ['libs/x-api', 'libs/sealing', 'libs/spool', 'libs/problem'],
  'libs/insight': ['libs/x-api', 'libs/problem'],
  'libs/media': ['libs/problem'],
  'libs/deployment': ['libs/config'],
  'libs/run-app': ['libs/config', 'libs/log'],
  'libs/config': nothingOfOurs,
  'libs/log': nothingOfOurs,
  'libs/problem': nothingOfOurs,
  'libs/sealing': nothingOfOurs,
  'libs/spool': ['libs/sealing'],
  'libs/redis': nothingOfOurs,
  'libs/x-api': nothingOfOurs,
  bench: all,
  test: all,
};

/** Where only a part of a folder is open to another one: X's rules but not X, scripts but not connections. */
const partly: Readonly<Record<string, readonly string[]>> = {
  'apps/api -> libs/publish': ['libs/publish/gate.ts', 'libs/publish/x-call.ts'],
  'libs/jobs -> libs/x-api': [
    'libs/x-api/limits.ts',
    'libs/x-api/weighted-length.ts',
    'libs/x-api/find-links.ts',
    'libs/x-api/count-cashtags.ts',
  ],
  'libs/jobs -> libs/redis': ['libs/redis/script.ts'],
  'libs/publish -> libs/redis': ['libs/redis/script.ts'],
  'libs/publish -> libs/sealing': ['libs/sealing/sealing.ts'],
};

/** Where a package may be used: paths that begin so. Every package that runs in production stands here. */
const homes: Readonly<Record<string, readonly string[]>> = {
  '@bull-board/api': ['apps/api/operate'],
  '@bull-board/koa': ['apps/api/operate'],
  '@koa/router': ['apps/api/', 'apps/x-simulator/'],
  '@modelcontextprotocol/node': ['apps/api/mcp'],
  '@modelcontextprotocol/server': ['apps/api/mcp'],
  '@opentelemetry/api': ['libs/insight/open-telemetry'],
  '@opentelemetry/exporter-trace-otlp-http': ['libs/insight/open-telemetry'],
  '@opentelemetry/resources': ['libs/insight/open-telemetry'],
  '@opentelemetry/sdk-trace': ['libs/insight/open-telemetry'],
  bullmq: ['libs/jobs/wake-up', 'apps/worker/', 'apps/api/operate'],
  'file-type': ['libs/media/'],
  helmet: ['apps/api/'],
  ioredis: ['libs/', 'apps/api/', 'apps/worker/'],
  'ipaddr.js': ['libs/media/'],
  koa: ['apps/api/', 'apps/x-simulator/'],
  'koa-body': ['apps/api/', 'apps/x-simulator/'],
  mediabunny: ['libs/media/'],
  'oidc-provider': ['apps/api/sign-in/'],
  'openid-client': ['libs/x-api/oauth'],
  'rate-limiter-flexible': ['apps/api/throttle.ts'],
  pino: ['libs/log/'],
  'pino-pretty': ['apps/start/', 'libs/log/'],
  'prom-client': ['apps/api/operate'],
  sharp: ['libs/media/', 'apps/x-simulator/'],
  'twitter-text': ['libs/x-api/', 'apps/x-simulator/'],
  undici: ['libs/x-api/', 'libs/media/'],
  yaml: ['apps/api/openapi'],
  zod: ['apps/', 'libs/'],
};

interface Source {
  /** Path from the root. */
  readonly path: string;
  readonly text: string;
}

/** Tests and what only they use (`test-….ts`, `…-rig.ts`) stand beside the code, and may use everything. */
const isTest = (path: string) =>
  /(\.test\.ts$|-rig\.ts$|\/vault-process\.ts$|\/test-[^/]+$|^test\/|^bench\/)/.test(path);
const folderOf = (path: string) => /^(apps|libs)\/[^/]+|^test|^bench/.exec(path)?.[0] ?? '';

function importsOf({ text }: Source): string[] {
  const forms = [
    /^(?:import|export)\b[^'";]*?\bfrom\s+'([^']+)'/gm,
    /^import\s+'([^']+)'/gm,
    /\bimport\(\s*'([^']+)'/g,
  ];
  return forms.flatMap((form) => [...text.matchAll(form)].flatMap(([, name]) => name ?? []));
}

/** Every breach of the rules in one file, each as a sentence. */
function breachesOf(source: Source): string[] {
  if (isTest(source.path)) return [];
  const found = importsOf(source).flatMap((name) => breachOf(source.path, name));
  const code = source.text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  if (/\bprocess\.env\b/.test(code) && !source.path.endsWith('/main.ts'))
    found.push(`${source.path} reads process.env: only main.ts does`);
  if (/\bnew (Redis|Cluster)\(/.test(code) && source.path !== 'libs/redis/connect.ts')
    found.push(`${source.path} opens a Redis connection: only libs/redis/connect.ts does`);
  return found;
}

function breachOf(path: string, name: string): string[] {
  if (name.startsWith('node:')) return [];
  if (name.startsWith('.') || name.startsWith('#')) return breachOfOurs(path, name);
  const packageName = /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name;
  const places = homes[packageName];
  if (places === undefined) return [`${path} imports ${packageName}, which has no home`];
  return places.some((place) => path.startsWith(place))
    ? []
    : [`${path} imports ${packageName}: its home is ${places.join(', ')}`];
}

function breachOfOurs(path: string, name: string): string[] {
  const target = name.startsWith('#') ? name.slice(1) : join(dirname(path), name);
  const [from, to] = [folderOf(path), folderOf(target)];
  if (isTest(target)) return [`${path} imports ${target}, which is for tests`];
  const may = allowed[from];
  if (may === undefined) return [`${from || path} has no place in the table`];
  if (from === to && name.startsWith('#'))
    return [`${path} imports ${name}: within a folder by relative path`];
  if (from !== to && name.startsWith('.')) return [`${path} imports ${name}: across folders by #${target}`];
  const only = partly[`${from} -> ${to}`];
  if (only && !only.includes(target)) return [`${path} imports ${target}: of ${to} only ${only.join(', ')}`];
  return may === all || from === to || may.includes(to) ? [] : [`${path} imports ${target}`];
}

describe('the dependency rule', () => {
  it('holds in every file', async () => {
    const files = await sourceFiles();
    expect(files.length).toBeGreaterThan(50);
    const breaches: string[] = [];
    for (const file of files)
      breaches.push(...breachesOf({ path: relative(root, file), text: await readFile(file, 'utf8') }));
    expect(breaches).toEqual([]);
  });

  it('gives every package that runs in production a home, and no other', async () => {
    const { dependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    expect(Object.keys(homes).sort()).toEqual(Object.keys(dependencies).sort());
  });

  it('has no cycle among the libraries', () => {
    const visit = (folder: string, path: readonly string[]): void => {
      expect(path, `${path.join(' -> ')} -> ${folder}`).not.toContain(folder);
      const next = allowed[folder];
      if (next && next !== all) for (const other of next) visit(other, [...path, folder]);
    };
    for (const folder of Object.keys(allowed)) visit(folder, []);
  });

  it.each([
    ['libs/media/a.ts', `import { Job } from '#libs/jobs/job.ts';`],
    ['libs/media/a.ts', `import type { Job } from '#libs/jobs/job.ts';`],
    ['libs/media/a.ts', `import {\n  Job,\n} from '../jobs/job.ts';`],
    ['libs/media/a.ts', `export * from '#libs/jobs/job.ts';`],
    ['apps/api/a.ts', `const { run } = await import('#libs/publish/run-job.ts');`],
    ['apps/api/a.ts', `import { startWorker } from '#apps/worker/start-worker.ts';`],
    ['apps/x-simulator/a.ts', `import { limits } from '#libs/x-api/limits.ts';`],
    ['libs/jobs/a.ts', `import { createXApi } from '#libs/x-api/client.ts';`],
    ['libs/media/a.ts', `import Koa from 'koa';`],
    ['libs/media/a.ts', `import { it } from 'vitest';`],
    ['libs/media/a.ts', `import { startRedisServer } from '../../test/redis-server.ts';`],
    ['libs/media/a.ts', `const secret = process.env.SECRET_KEY;`],
    ['libs/jobs/a.ts', `const redis = new Redis('redis://localhost');`],
  ])('refuses in %s: %s', (path, text) => {
    expect(breachesOf({ path, text })).toHaveLength(1);
  });

  it.each([
    ['libs/media/a.test.ts', `import { startSimulator } from '#apps/x-simulator/simulator.ts';`],
    ['libs/jobs/a.ts', `import { limits } from '#libs/x-api/limits.ts';\nimport { b } from './b.ts';`],
    ['apps/api/main.ts', `start(process.env);`],
    ['apps/start/a.ts', `import { startApi } from '#apps/api/start-api.ts';`],
  ])('allows in %s: %s', (path, text) => {
    expect(breachesOf({ path, text })).toEqual([]);
  });
});
