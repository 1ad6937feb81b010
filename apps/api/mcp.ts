import { setTimeout as delay } from 'node:timers/promises';
import Router from '@koa/router';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, ProtocolErrorCode } from '@modelcontextprotocol/server';
import type { Context } from 'koa';
import { z } from 'zod';
import { ProblemError } from '#libs/problem/problem.ts';
import { identifyCaller } from './caller.ts';
import { readJsonBody } from './json-body.ts';
import { createToolActs } from './mcp-calls.ts';
import { checkHostAndOrigin, mcpDoor, resourceMetadata, resourceMetadataUrl } from './mcp-guard.ts';
import { authOf, createServer, type ServerDeps, type ServerParts } from './mcp-server.ts';
import { createTools, scopeNeeded } from './mcp-tools.ts';
import { apiVersion } from './openapi.ts';
import type { Caller, SignIn } from './sign-in/sign-in.ts';
import type { Throttle } from './throttle.ts';

export interface McpDeps extends ServerDeps {
  readonly signIn: SignIn;
  readonly throttle: Throttle;
  /** Aborts when the server stops: streams that clients listen at end. */
  readonly stopping: AbortSignal;
}

/** How long a server that stops waits for its answers to leave. */
const partingMs = 500;

/** `POST /mcp`: Model Context Protocol over Streamable HTTP, 2026-07-28 and the handshake of 2025, without sessions. */
export function mcpRoutes(deps: McpDeps): Router {
  const { publicUrl } = deps;
  // Made when somebody comes: the tools are read from openapi.yaml, and a start need not wait for that.
  let parts: ServerParts | undefined;
  const handler = createMcpHandler(
    ({ authInfo }) => {
      parts ??= { deps, version: apiVersion(), tools: createTools(), acts: createToolActs(deps) };
      return createServer(parts, authInfo);
    },
    { onerror: (err) => deps.log.debug({ err }, 'A message at /mcp was not understood') },
  );
  // Calls that are held are answered as things stand; what is open after that is only listening.
  const closeSoon = () => void delay(partingMs, undefined, { ref: false }).then(() => handler.close());
  deps.stopping.addEventListener('abort', closeSoon, { once: true });
  const handle = toNodeHandler(handler, {
    onerror: (err) => deps.log.error({ err }, 'A request at /mcp failed by a fault of this server'),
  });
  const metadata = (ctx: Context) => {
    ctx.set('Cache-Control', 'public, max-age=300');
    ctx.body = resourceMetadata(publicUrl);
  };
  return new Router()
    .get('/.well-known/oauth-protected-resource', metadata)
    .get('/.well-known/oauth-protected-resource/mcp', metadata)
    .all('/mcp', async (ctx) => {
      checkHostAndOrigin(ctx, publicUrl);
      const caller = await identifyCaller(
        ctx,
        { findCaller: deps.signIn.findCaller, throttle: deps.throttle },
        mcpDoor(publicUrl),
      );
      const body = ctx.method === 'POST' ? await readMessage(ctx) : undefined;
      if (ctx.method === 'POST' && body === undefined) return;
      // Clients of 2025-03-26 may send several messages at once: each counts.
      for (const _ of [body].flat().slice(1)) await deps.throttle.countCaller(caller);
      requireScope(body, caller, publicUrl);
      ctx.set('Cache-Control', 'no-store');
      ctx.respond = false;
      const { method, url } = ctx;
      await handle(Object.assign(ctx.req, { method, url, auth: authOf(caller) }), ctx.res, body);
    });
}

/** The body; undefined once a JSON-RPC error has been answered. */
async function readMessage(ctx: Context): Promise<unknown> {
  try {
    return await readJsonBody(ctx.req);
  } catch (error) {
    if (!(error instanceof ProblemError) || error.code !== 'bad_request') throw error;
    ctx.status = 400;
    ctx.body = {
      jsonrpc: '2.0',
      id: null,
      error: { code: ProtocolErrorCode.ParseError, message: error.detail },
    };
    return undefined;
  }
}

const Call = z.object({ method: z.literal('tools/call'), params: z.object({ name: z.string() }) });

/** @throws {ProblemError} forbidden with the challenge that makes a client ask for more (RFC 6750 section 3.1) */
function requireScope(body: unknown, caller: Caller, publicUrl: string): void {
  for (const message of [body].flat()) {
    const call = Call.safeParse(message);
    const needed = call.success ? scopeNeeded(call.data.params.name) : null;
    if (needed === null || caller.scope.includes(needed)) continue;
    const parameters = [
      'error="insufficient_scope"',
      `scope="${[...new Set([...caller.scope, needed])].join(' ')}"`,
      `resource_metadata="${resourceMetadataUrl(publicUrl)}"`,
    ];
    throw new ProblemError('forbidden', `The access token does not carry the right ${needed}.`, {
      headers: { 'WWW-Authenticate': `Bearer ${parameters.join(', ')}` },
    });
  }
}
