import type { Context } from 'koa';
import { ProblemError } from '#libs/problem/problem.ts';
import type { Door } from './caller.ts';
import { supportedScopes } from './sign-in/sign-in.ts';

/** Where the description of `/mcp` as a protected resource (RFC 9728) is read. */
export function resourceMetadataUrl(publicUrl: string): string {
  return `${publicUrl}/.well-known/oauth-protected-resource/mcp`;
}

/** RFC 9728: whose tokens `/mcp` takes. The same at the root, where older clients look: nothing else is described here. */
export function resourceMetadata(publicUrl: string): object {
  return {
    resource: `${publicUrl}/mcp`,
    authorization_servers: [publicUrl],
    scopes_supported: supportedScopes,
    bearer_methods_supported: ['header'],
    resource_name: 'post-to-x',
    resource_policy_uri: `${publicUrl}/privacy`,
  };
}

/** `/mcp` as a front door: what a client has to know to sign in (MCP authorization, "Protected Resource Metadata"). */
export function mcpDoor(publicUrl: string): Door {
  const metadata = `resource_metadata="${resourceMetadataUrl(publicUrl)}"`;
  return { audience: 'mcp', challenge: [metadata, `scope="${supportedScopes.join(' ')}"`] };
}

/**
 * Against DNS rebinding: a page elsewhere can make a browser send requests here under a name of its own.
 * @throws {ProblemError} forbidden when Host or Origin is neither ours nor, for Host, this machine's
 */
export function checkHostAndOrigin(ctx: Context, publicUrl: string): void {
  const own = new URL(publicUrl);
  const host = URL.parse(`http://${ctx.get('host')}`)?.hostname ?? '';
  if (host !== own.hostname && !isLoopback(host))
    throw new ProblemError('forbidden', `This server is not reached by that name, but at ${publicUrl}.`);
  const origin = ctx.get('origin');
  if (origin === '' || origin === own.origin) return;
  // On the own machine an inspector may have a port of its own.
  if (isLoopback(own.hostname) && isLoopback(URL.parse(origin)?.hostname ?? '')) return;
  throw new ProblemError('forbidden', 'Pages of other origins may not use this server.');
}

function isLoopback(hostname: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
}
