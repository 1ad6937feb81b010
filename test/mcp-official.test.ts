import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectAgent, consentAsUser, MemoryProvider } from './mcp-client.ts';
import { freePort, runTool, startTokenProxy } from './mcp-rig.ts';
import { type System, startSystem } from './system.ts';

let system: System;
let origin: string;
let provider: MemoryProvider;
let proxy: Awaited<ReturnType<typeof startTokenProxy>>;
beforeAll(async () => {
  system = await startSystem({ environment: { MCP_DYNAMIC_REGISTRATION: 'true' } });
  origin = system.url.replace('127.0.0.1', 'localhost');
  provider = new MemoryProvider();
  await using _agent = await connectAgent(new URL(`${origin}/mcp`), { era: 'legacy', provider });
  proxy = await startTokenProxy(system.url, provider.stored?.access_token ?? '');
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await system[Symbol.asyncDispose]();
});

describe('the inspector', () => {
  const inspect = (...args: string[]) => {
    const token = `Authorization: Bearer ${provider.stored?.access_token}`;
    return runTool('inspector', [
      '--cli',
      `${origin}/mcp`,
      '--transport',
      'http',
      '--header',
      token,
      ...args,
    ]);
  };

  it('lists the tools and finds no fault with their schemas', async () => {
    const { code, stdout, stderr } = await inspect('--method', 'tools/list', '--strict');
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).tools).toHaveLength(8);
  });

  it('calls them', async () => {
    const call = [
      '--method',
      'tools/call',
      '--tool-name',
      'post_tweet',
      '--tool-arg',
      'text=By the inspector',
    ];
    const { code, stdout, stderr } = await inspect(...call);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).structuredContent).toMatchObject({ status: 'published' });
  });
});

/** What the suite wants of servers that are made to be tested. */
const fixtures = 'calls tools, prompts or resources of a test server by their names';

/** Scenarios of the suite that cannot apply, as patterns, and why. */
const notApplicable: readonly (readonly [RegExp, string])[] = [
  [/^tools-call-/, fixtures],
  [/^(resources|prompts)-/, 'there are no resources and prompts'],
  [/^sep-2164-/, 'there are no resources'],
  [/^sep-2640-|^tasks-/, 'extensions that are not offered'],
  [/^(elicitation-|input-required-)/, fixtures],
  [/^server-(session-lifecycle|sse-)/, 'there are no sessions and no streams to come back to'],
  [/^(logging-set-level|completion-complete)$/, 'logging and completion are not offered'],
  [/^json-schema-2020-12$/, fixtures],
  [/^http-custom-header-server-validation$/, 'no tool has x-mcp-header annotations'],
  [/^caching$/, 'asks for lists of prompts and resources too; what it finds of tools is a test here'],
];

/** Scenarios that run, and the checks of each that need tools of a test server. */
const scenarios: readonly (readonly [string, readonly string[]])[] = [
  ['server-initialize', []],
  [
    'server-stateless',
    [
      'sep-2575-server-rejects-undeclared-capability',
      'sep-2575-missing-capability-http-400',
      'sep-2575-http-server-no-independent-requests-on-stream',
      'sep-2575-server-no-log-without-loglevel',
    ],
  ],
  ['ping', []],
  ['tools-list', []],
  ['dns-rebinding-protection', []],
  ['http-header-validation', []],
];

describe('the conformance suite', () => {
  it.each(scenarios)('passes %s', async (scenario, needFixtures) => {
    const args = ['server', '--url', `${proxy.url}/mcp`, '--scenario', scenario];
    const { stdout } = await runTool('conformance', args);
    const checks = checksOf(stdout);
    expect(
      checks.some(({ result }) => result === 'SUCCESS'),
      stdout,
    ).toBe(true);
    const failed = checks.filter(
      ({ result }) => result !== 'SUCCESS' && result !== 'SKIPPED' && result !== 'INFO',
    );
    expect(failed.map(({ id }) => id).sort(), stdout).toEqual([...needFixtures].sort());
  });

  it('finds the caching hints of the tools', async () => {
    const { stdout } = await runTool('conformance', [
      'server',
      '--url',
      `${proxy.url}/mcp`,
      '--scenario',
      'caching',
    ]);
    const passed = checksOf(stdout).filter(({ result }) => result === 'SUCCESS');
    expect(passed.map(({ id }) => id)).toContain('sep-2549-tools-list-caching-hints');
  });

  it('has no server scenario that is neither run nor known not to apply', async () => {
    const { stdout } = await runTool('conformance', ['list', '--server']);
    const names = [...stdout.matchAll(/^ {2}- (\S+)/gm)].map(([, name]) => name ?? '');
    expect(names.length).toBeGreaterThan(40);
    const known = (name: string) =>
      scenarios.some(([scenario]) => scenario === name) ||
      notApplicable.some(([pattern]) => pattern.test(name));
    expect(names.filter((name) => !known(name))).toEqual([]);
  });

  it('signs in at the authorization server', async () => {
    const port = await freePort();
    const clientId = provider.client?.client_id ?? '';
    const visited = new Set<string>();
    const { code, stdout } = await runTool(
      'conformance',
      [
        'authorization',
        ...['--url', origin, '--client-id', clientId, '--resource', `${origin}/mcp`, '--port', String(port)],
      ],
      (text) => {
        const url = /https?:\/\/\S+\/oauth\/authorize\?\S+/.exec(text)?.[0];
        if (!url || visited.has(url)) return;
        visited.add(url);
        void consentAsUser(url).then((back) => fetch(back));
      },
    );
    expect(code, stdout).toBe(0);
    expect(visited.size).toBeGreaterThan(0);
    expect(stdout).not.toContain('FAILURE');
  });
});

function checksOf(stdout: string): { id: string; result: string }[] {
  return [...stripVTControlCharacters(stdout).matchAll(/\[([a-z0-9-]+) *\] +([A-Z]+)/g)].map(
    ([, id = '', result = '']) => ({
      id,
      result,
    }),
  );
}
