import { renderConsent, renderRefusal } from './authorize-page.ts';
import type { Call, OpenEndpoint } from './endpoints.ts';
import { pageHeaders } from './html.ts';
import type { Reply } from './refusals.ts';
import type { State } from './state.ts';

/** What a valid authorization request asks for. */
export interface AuthorizationRequest {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly scope: readonly string[];
  readonly state: string;
  readonly codeChallenge: string;
  readonly challengeMethod: 'S256' | 'plain';
}

/** Every scope X knows (fundamentals/authentication/oauth-2-0/authorization-code). */
const knownScopes = new Set(
  (
    'tweet.read tweet.write tweet.moderate.write users.email users.read follows.read follows.write offline.access ' +
    'space.read mute.read mute.write like.read like.write list.read list.write block.read block.write ' +
    'bookmark.read bookmark.write dm.read dm.write media.write timeline.read'
  ).split(' '),
);

/**
 * The page on which a person chooses who to be and allows or denies. A test posts the same form by itself: the
 * parameters of the request as they came, `user_id` or `username`, and `decision` (`allow` or `deny`).
 */
export function createAuthorizeEndpoints(state: State): readonly OpenEndpoint[] {
  return [
    { key: 'GET /i/oauth2/authorize', handle: (call) => showPage(state, call.query) },
    { key: 'POST /i/oauth2/authorize', handle: (call) => decide(state, call) },
  ];
}

function showPage(state: State, query: URLSearchParams): Reply {
  const request = parseRequest(state, query);
  if (typeof request === 'string') return refuse(request);
  return {
    status: 200,
    headers: pageHeaders,
    body: renderConsent(request, query, [...state.users.values()]),
  };
}

function decide(state: State, call: Call): Reply {
  const form = new URLSearchParams(call.body.toString('utf8'));
  const request = parseRequest(state, form);
  if (typeof request === 'string') return refuse(request);
  const back = new URL(request.redirectUri);
  if (form.get('decision') !== 'allow') {
    back.searchParams.set('error', 'access_denied');
    back.searchParams.set('state', request.state);
    return { status: 302, headers: { location: back.href } };
  }
  const user = state.findUser(form.get('user_id') ?? form.get('username') ?? '');
  if (!user) return refuse('There is no such user.');
  const scope = request.scope.filter((name) => !state.settings.withheldScopes.includes(name));
  const code = state.grants.createCode({ ...request, scope, userId: user.id });
  back.searchParams.set('state', request.state);
  back.searchParams.set('code', code);
  return { status: 302, headers: { location: back.href } };
}

/** The request, or the sentence that says what is wrong with it: X then shows a page and never redirects. */
function parseRequest(state: State, query: URLSearchParams): AuthorizationRequest | string {
  const parameter = (name: string) => query.get(name) ?? '';
  const [clientId, redirectUri] = [parameter('client_id'), parameter('redirect_uri')];
  const { clients } = state.settings;
  if (parameter('response_type') !== 'code') return 'response_type must be code.';
  if (clientId === '') return 'client_id is missing.';
  const client = clients?.find(({ id }) => id === clientId);
  if (clients && !client) return 'No app has this client_id.';
  if (client ? !client.redirectUris.includes(redirectUri) : !mayBeCallback(redirectUri))
    return 'redirect_uri is not a callback of this app.';
  const scope = parameter('scope').split(' ').filter(Boolean);
  const unknown = scope.filter((name) => !knownScopes.has(name));
  if (scope.length === 0 || unknown.length > 0) return `scope is missing or unknown: ${unknown.join(' ')}`;
  const echoed = parameter('state');
  if (echoed === '' || echoed.length > 500) return 'state must have 1 to 500 characters.';
  const codeChallenge = parameter('code_challenge');
  const method = (query.get('code_challenge_method') ?? 'plain').toLowerCase();
  if (method !== 's256' && method !== 'plain') return 'code_challenge_method must be S256 or plain.';
  if (!(method === 's256' ? /^[\w-]{43}$/ : /^[\w.~-]{43,128}$/).test(codeChallenge))
    return 'code_challenge is missing or malformed.';
  const challengeMethod = method === 's256' ? 'S256' : 'plain';
  return { clientId, redirectUri, scope, state: echoed, codeChallenge, challengeMethod };
}

/** Where no apps are listed: what X would let anybody register, and `localhost` too. */
function mayBeCallback(redirectUri: string): boolean {
  if (!URL.canParse(redirectUri)) return false;
  const { protocol, hostname, hash } = new URL(redirectUri);
  const isLoopback = ['127.0.0.1', '[::1]', 'localhost'].includes(hostname);
  return hash === '' && (protocol === 'https:' || (protocol === 'http:' && isLoopback));
}

function refuse(reason: string): Reply {
  return { status: 400, headers: pageHeaders, body: renderRefusal(reason) };
}
