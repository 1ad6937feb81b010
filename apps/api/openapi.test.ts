import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ProblemError } from '#libs/problem/problem.ts';
import { openApiRoutes } from './openapi.ts';

const publicUrl = 'http://localhost:5000';

async function serve() {
  const app = new Koa();
  app.use(async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      ctx.status = error.kind.status;
      ctx.body = error.errors;
    }
  });
  const server = app.use(openApiRoutes(publicUrl).routes()).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address() as AddressInfo;
  return {
    get: (path: string) =>
      fetch(`http://127.0.0.1:${port}${path}`, { headers: { 'x-forwarded-host': 'evil.example' } }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

describe('the served document', () => {
  it('is the same as YAML and as JSON, each with its content type', async () => {
    await using api = await serve();
    const [yaml, json] = await Promise.all([api.get('/openapi.yaml'), api.get('/openapi.json')]);
    expect(yaml.headers.get('content-type')).toBe('application/yaml; charset=utf-8');
    expect(json.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(parse(await yaml.text())).toEqual(await json.json());
  });

  it('takes every address from PUBLIC_URL and none from the request', async () => {
    await using api = await serve();
    const text = await (await api.get('/openapi.json')).text();
    expect(text).not.toContain('post-to-x.example.com');
    expect(text).not.toContain('evil.example');
    expect(JSON.parse(text)).toMatchObject({
      servers: [{ url: publicUrl }],
      components: {
        securitySchemes: {
          signIn: {
            flows: {
              authorizationCode: {
                authorizationUrl: `${publicUrl}/oauth/authorize`,
                tokenUrl: `${publicUrl}/oauth/token`,
              },
            },
          },
        },
      },
    });
  });

  it('leaves out what a GPT cannot use, unless all is asked for', async () => {
    await using api = await serve();
    const [gpt, all] = await Promise.all([
      (await api.get('/openapi.yaml')).text(),
      (await api.get('/openapi.yaml?audience=all')).text(),
    ]);
    for (const name of ['postTweet', 'getJob']) expect(gpt).toContain(`operationId: ${name}\n`);
    for (const name of ['uploadMedia', 'issueToken', 'streamJob']) {
      expect(gpt).not.toContain(name);
      expect(all).toContain(`operationId: ${name}\n`);
    }
    expect(gpt).not.toMatch(/Idempotency-Key|x-gpt|text\/html/);
    expect(gpt.length).toBeLessThan(60_000);
  });

  it('refuses an audience that does not exist', async () => {
    await using api = await serve();
    const answer = await api.get('/openapi.yaml?audience=everyone');
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual([{ field: 'audience', message: 'Must be one of gpt, all.' }]);
    expect((await api.get('/openapi.yaml?audience=gpt&audience=all')).status).toBe(400);
  });
});
