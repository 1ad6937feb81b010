import type { Call, UserCall, UserEndpoint } from './endpoints.ts';
import {
  forbidden, invalidRequest, Refusal, type Reply, unauthorized, unsupportedAuthentication,
} from './refusals.ts'; // biome-ignore format: one list
import type { State } from './state.ts';

/** The token of an `Authorization: Bearer` header, which is the only place where X looks for it. */
export function bearerOf(authorization: string | undefined): string | null {
  return /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? null;
}

/** Lets a call through to its endpoint: token, rate limit, scopes, then the act; limits show in every answer. */
export async function serveUser(state: State, endpoint: UserEndpoint, call: Call): Promise<Reply> {
  const token = bearerOf(call.headers.authorization);
  // App-only tokens of X all begin like this.
  if (token?.startsWith('AAAAAAAAAAAAAAAAAAAA')) throw unsupportedAuthentication();
  const grant = token === null ? null : state.grants.findAccess(token);
  const user = grant && state.users.get(grant.userId);
  if (!grant || !user) throw unauthorized();
  const { limited, headers } = state.limits.count(endpoint.key, user.id, grant.clientId);
  const answer = async (): Promise<Reply> => {
    if (limited) throw tooManyRequests(state);
    if (!endpoint.scopes.every((scope) => grant.scope.includes(scope))) throw forbidden();
    if (user.locked && call.record.method !== 'GET')
      throw forbidden(
        'Your account is temporarily locked. Please log in to https://x.com to unlock your account.',
      );
    const userCall: UserCall = { ...call, user, clientId: grant.clientId, signedInAt: grant.signedInAt };
    return endpoint.handle(userCall);
  };
  const reply = await answer().catch((error: unknown) => refuse(state, error));
  return { ...reply, headers: { ...headers, ...reply.headers } };
}

/** The answer for what an endpoint threw; anything but a refusal is a bug and goes on. */
export function refuse(state: State, error: unknown): Reply {
  if (error instanceof Refusal) return error.reply(state.settings.problemHost);
  throw error;
}

function tooManyRequests(state: State): Refusal {
  if (state.settings.rateLimitBody === 'problem')
    return new Refusal({ status: 429, title: 'Too Many Requests', detail: 'Too Many Requests' });
  return new Refusal({
    status: 429,
    body: { errors: [{ code: 88, message: 'Rate limit exceeded' }] },
  });
}

/** X takes an id in a path only if it is a number of at most 19 digits. */
export function readId(call: Call, name = 'id'): string {
  const id = call.parameters[name] ?? '';
  if (/^[0-9]{1,19}$/.test(id)) return id;
  const message = `The \`${name}\` query parameter value [${id}] is not valid`;
  throw invalidRequest(message, { [name]: [id] });
}
