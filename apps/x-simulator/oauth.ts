import { readOAuthFields } from './body.ts';
import type { Call, OpenEndpoint } from './endpoints.ts';
import { oauthError, type Refusal, type Reply } from './refusals.ts';
import type { State } from './state.ts';

const wrongToken = () => oauthError(400, 'invalid_request', 'Value passed for the token was invalid.');
const wrongCode = () =>
  oauthError(400, 'invalid_request', 'Value passed for the authorization code was invalid.');
const missing = (name: string) => oauthError(400, 'invalid_request', `Missing required parameter [${name}].`);

/** `/2/oauth2/token` and `/2/oauth2/revoke` (x-api/fundamentals/authentication/oauth-2-0). */
export function createOAuthEndpoints(state: State): readonly OpenEndpoint[] {
  return [
    { key: 'POST /2/oauth2/token', handle: (call) => answerToken(state, call) },
    { key: 'POST /2/oauth2/revoke', handle: (call) => answerRevoke(state, call) },
  ];
}

function answerToken(state: State, call: Call): Reply {
  const fields = readOAuthFields(call);
  const clientId = authenticateClient(state, call, fields);
  const grantType = fields.get('grant_type');
  if (!grantType) throw missing('grant_type');
  if (grantType === 'authorization_code') {
    const claim = {
      clientId,
      redirectUri: required(fields, 'redirect_uri'),
      verifier: required(fields, 'code_verifier'),
    };
    const tokens = state.grants.exchange(required(fields, 'code'), claim);
    if (!tokens) throw wrongCode();
    return answer(tokens);
  }
  if (grantType === 'refresh_token') {
    const tokens = state.grants.refresh(required(fields, 'refresh_token'), clientId);
    if (!tokens) throw wrongToken();
    return answer(tokens);
  }
  throw oauthError(
    400,
    'invalid_request',
    'Value passed for the grant type was invalid. Grant type should be one of [authorization_code, refresh_token].',
  );
}

function answerRevoke(state: State, call: Call): Reply {
  const fields = readOAuthFields(call);
  const clientId = authenticateClient(state, call, fields);
  state.grants.revoke(required(fields, 'token'), clientId);
  return answer({ revoked: true });
}

/** The client that calls: Basic, or id and secret in the body; a public app names its id alone. */
function authenticateClient(state: State, call: Call, fields: ReadonlyMap<string, string>): string {
  const basic = readBasic(call.headers.authorization);
  const clientId = basic?.clientId ?? fields.get('client_id');
  if (!clientId) throw missing('client_id');
  call.record.clientId = clientId;
  const secret = basic ? basic.secret : (fields.get('client_secret') ?? '');
  const { clients } = state.settings;
  const client = clients?.find(({ id }) => id === clientId);
  if (clients && !client) throw oauthError(401, 'invalid_client', 'The client is unknown.');
  const isPublic = client?.secret === null;
  const passes = isPublic ? !basic : client ? secret === client.secret : secret !== '';
  if (!passes) throw unauthorizedClient();
  if (basic && fields.has('client_id') && fields.get('client_id') !== clientId) throw unauthorizedClient();
  return clientId;
}

function unauthorizedClient(): Refusal {
  return oauthError(401, 'unauthorized_client', 'Missing valid authorization header');
}

/** RFC 6749 2.3.1: id and secret are form-encoded before they are joined; clients that do not are understood too. */
function readBasic(header: string | undefined): { clientId: string; secret: string } | null {
  const encoded = /^basic\s+([a-z0-9+/=]+)$/i.exec(header ?? '')?.[1];
  if (!encoded) return null;
  const [clientId = '', ...rest] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  return { clientId: formDecode(clientId), secret: formDecode(rest.join(':')) };
}

function formDecode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

function required(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name);
  if (!value) throw missing(name);
  return value;
}

function answer(body: object): Reply {
  return { status: 200, body, headers: { 'cache-control': 'no-store' } };
}
