import {
  type AuthInfo,
  type CallToolResult,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Log } from '#libs/log/log.ts';
import { refuse } from './mcp-answers.ts';
import type { CallDeps, ToolActs } from './mcp-calls.ts';
import type { Tool } from './mcp-tools.ts';
import { toProblem } from './problem.ts';
import type { Caller } from './sign-in/sign-in.ts';

export interface ServerDeps extends CallDeps {
  readonly log: Log;
}

/** ChatGPT weighs the first 512 characters most. */
const instructions = `Posts to X for the signed-in account. Post only what the user asked for: show the text first unless they said to post. Call post_tweet once per post with a new random request_id; if the call brought no answer, repeat it with the same request_id: nothing is posted twice. The answer is a job. Ends are published, failed, canceled, unconfirmed; otherwise call get_job (at most three times in a row), then give the user status_url. Tell the user message and tweet_url. unconfirmed: never post again before the user looked at X; then resolve_job.
Media come by public https address (media_url, media_urls) or as files of the conversation (file, file_2, …): up to four images, or one GIF or video. validate_tweet counts as X does and names every problem. delete_tweet cannot be undone.`;

/** What the protocol's implementation passes through to each call; the token itself stays here. */
export function authOf({ accountId, clientId, scope }: Caller): AuthInfo {
  return { token: '', clientId, scopes: [...scope], extra: { accountId } };
}

function callerOf(authInfo: AuthInfo | undefined): Caller {
  const { clientId, scopes, extra } = z
    .object({ clientId: z.string(), scopes: z.array(z.string()), extra: z.object({ accountId: z.string() }) })
    .parse(authInfo);
  return { accountId: extra.accountId, clientId, scope: scopes, audience: 'mcp' };
}

/** What all servers of a process share. */
export interface ServerParts {
  readonly deps: ServerDeps;
  readonly version: string;
  readonly tools: readonly Tool[];
  readonly acts: ToolActs;
}

/** A server for one request: nothing is kept between them. */
export function createServer(
  { deps, version, tools, acts }: ServerParts,
  authInfo: AuthInfo | undefined,
): Server {
  const caller = callerOf(authInfo);
  const server = new Server(
    { name: 'post-to-x', title: 'post-to-x', version, websiteUrl: deps.publicUrl },
    {
      capabilities: { tools: {} },
      instructions,
      cacheHints: {
        'tools/list': { ttlMs: 300_000, cacheScope: 'public' },
        'server/discover': { ttlMs: 300_000, cacheScope: 'public' },
      },
    },
  );
  server.setRequestHandler('tools/list', () => ({ tools: [...tools] }));
  server.setRequestHandler('tools/call', async ({ params }, context) => {
    const tool = tools.find(({ name }) => name === params.name);
    if (!tool)
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `There is no tool ${params.name.slice(0, 60)}`,
      );
    const call = { caller, given: params.arguments ?? {}, ...connectionOf(context, deps) };
    return await acts[tool.name](call).catch((error: unknown) => refuseCall(error, tool.name, deps));
  });
  return server;
}

/** When the client has gone, and how it is told of progress where it asked for that. */
function connectionOf({ mcpReq }: ServerContext, { jobs }: ServerDeps) {
  const progressToken = mcpReq._meta?.progressToken;
  let told = -1;
  return {
    gone: mcpReq.signal,
    onChange(job: Parameters<typeof jobs.view>[0]) {
      const { progress, message } = jobs.view(job);
      // It has to increase with each notification; the end is told by the result.
      if (progressToken === undefined || progress <= told) return;
      told = progress;
      const params = { progressToken, progress, total: 100, message };
      void mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {});
    },
  };
}

function refuseCall(error: unknown, tool: string, { publicUrl, log }: ServerDeps): CallToolResult {
  const problem = toProblem(error);
  if (problem.code === 'internal_error')
    log.error({ err: error, method: tool, path: '/mcp' }, 'A tool call failed by a fault of this server');
  return refuse(problem, publicUrl);
}
