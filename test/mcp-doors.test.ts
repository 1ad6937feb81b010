import { once } from 'node:events';
import { request } from 'node:http';
import { expect, it } from 'vitest';
import { connectAgent } from './mcp-client.ts';
import { startSystem } from './system.ts';

const statusOf = async (url: string, init: RequestInit = {}) => (await fetch(url, init)).status;

it('with the HTTP API closed, agents post and people still have their pages', async () => {
  await using system = await startSystem({
    environment: { REST_ENABLED: 'false', MCP_DYNAMIC_REGISTRATION: 'true' },
  });
  const url = new URL('/mcp', system.url.replace('127.0.0.1', 'localhost'));
  await using agent = await connectAgent(url, { era: 'legacy' });
  const result = await agent.client.callTool({ name: 'post_tweet', arguments: { text: 'By this door' } });
  expect(result.structuredContent).toMatchObject({ status: 'published' });
  expect(await statusOf(`${system.url}/postTweet`, { method: 'POST' })).toBe(404);
  expect(await statusOf(`${system.url}/me`)).toBe(404);
  expect(await statusOf(`${system.url}/openapi.json`)).toBe(404);
  expect(await statusOf(`${system.url}/healthz`)).toBe(200);
  const page = await fetch(`${system.url}/`, { headers: { accept: 'text/html' } });
  expect(page.status).toBe(200);
  const shown = await page.text();
  expect(shown).toContain('http://localhost');
  expect(shown).toContain('/mcp"');
  expect(shown).not.toMatch(/GPT|openapi|npm run x/);
  expect(await (await fetch(`${system.url}/nothing`)).text()).not.toContain('openapi');
});

it('with MCP closed, there is nothing at /mcp and nobody gets a token for it', async () => {
  await using system = await startSystem({ environment: { MCP_ENABLED: 'off' } });
  const session = await system.connect();
  expect((await session.request('GET', '/me')).status).toBe(200);
  for (const path of [
    '/mcp',
    '/.well-known/oauth-protected-resource',
    '/.well-known/oauth-protected-resource/mcp',
  ])
    expect(await statusOf(system.url + path)).toBe(404);
  expect(await statusOf(`${system.url}/oauth/register`, { method: 'POST' })).toBe(404);
  const page = await fetch(`${system.url}/`, { headers: { accept: 'text/html' } });
  const shown = await page.text();
  expect(shown).toContain('/openapi.json');
  expect(shown).not.toMatch(/mcp/i);
});

it('clients register themselves only where that is switched on, and other host names are refused', async () => {
  await using system = await startSystem();
  expect(await statusOf(`${system.url}/oauth/register`, { method: 'POST' })).toBe(404);
  const asked = request(`${system.url}/mcp`, {
    method: 'POST',
    headers: { host: 'rebound.example:5000' },
  }).end();
  const [answer] = await once(asked, 'response');
  expect(answer.statusCode).toBe(403);
  answer.resume();
});

it('a server that stops answers the calls that it holds, and ends streams that only listen', async () => {
  await using system = await startSystem({ environment: { MCP_DYNAMIC_REGISTRATION: 'true' } });
  const url = new URL('/mcp', system.url.replace('127.0.0.1', 'localhost'));
  await using agent = await connectAgent(url, { era: { pin: '2026-07-28' } });
  const call = (name: string, args: object) => agent.client.callTool({ name, arguments: { ...args } });
  const publish_at = new Date(Date.now() + 3_600_000).toISOString();
  const posted = await call('post_tweet', { text: 'Later', publish_at, wait_seconds: 0 });
  const { job_id } = posted.structuredContent as { job_id: string };
  const listening = await fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${agent.provider.stored?.access_token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'subscriptions/listen',
    },
    body: JSON.stringify({
      ...{ jsonrpc: '2.0', id: 1, method: 'subscriptions/listen' },
      params: {
        notifications: { toolsListChanged: true },
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    }),
  });
  expect(listening.headers.get('content-type')).toContain('text/event-stream');
  const progress = Promise.withResolvers<void>();
  const held = agent.client.callTool(
    { name: 'get_job', arguments: { job_id, wait_seconds: 40 } },
    { onprogress: () => progress.resolve() },
  );
  await progress.promise;
  const [result, heard] = await Promise.all([held, listening.text(), system.api[Symbol.asyncDispose]()]);
  expect(result.structuredContent).toMatchObject({ job_id, status: 'scheduled' });
  expect(heard).toContain('notifications/subscriptions/acknowledged');
});
