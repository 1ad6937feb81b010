import {
  Client,
  type OAuthClientMetadata,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client';
import { fieldOf, locationOf, TestBrowser } from '#apps/api/sign-in/test-browser.ts';
import { decideAtX } from '#apps/api/sign-in/test-flows.ts';

/** The user of an authorization request: through our consent page and X, to where the client is called back. */
export async function consentAsUser(request: string, user = 'sandbox_ada'): Promise<URL> {
  const browser = new TestBrowser();
  const consentUrl = locationOf(await browser.get(request));
  const page = await (await browser.get(consentUrl)).text();
  const fields = { csrf_token: fieldOf(page, 'csrf_token'), decision: 'approve' };
  const atX = locationOf(await browser.post(consentUrl, fields));
  const resume = locationOf(await browser.get(await decideAtX(atX, { user })));
  return new URL(locationOf(await browser.get(resume)));
}

/** A client that knows nothing but the server's URL: it registers itself and keeps what it gets in memory. */
export class MemoryProvider implements OAuthClientProvider {
  readonly redirectUrl = 'http://127.0.0.1:38123/callback';
  readonly clientMetadata: OAuthClientMetadata;
  clientMetadataUrl?: string;
  client: StoredOAuthClientInformation | undefined;
  stored: StoredOAuthTokens | undefined;
  verifier = '';
  asked: URL | undefined;
  discovered: OAuthDiscoveryState | undefined;

  constructor(name = 'Test agent') {
    this.clientMetadata = { client_name: name, redirect_uris: [this.redirectUrl] };
  }

  state() {
    return 'a state of the agent';
  }
  clientInformation() {
    return this.client;
  }
  saveClientInformation(client: StoredOAuthClientInformation) {
    this.client = client;
  }
  tokens() {
    return this.stored;
  }
  saveTokens(tokens: StoredOAuthTokens) {
    this.stored = tokens;
  }
  redirectToAuthorization(url: URL) {
    this.asked = url;
  }
  saveCodeVerifier(verifier: string) {
    this.verifier = verifier;
  }
  codeVerifier() {
    return this.verifier;
  }
  invalidateCredentials() {
    this.stored = undefined;
  }
  saveDiscoveryState(state: OAuthDiscoveryState) {
    this.discovered = state;
  }
  discoveryState() {
    return this.discovered;
  }
}

export type Era = 'legacy' | { readonly pin: '2026-07-28' };

/** An agent that is signed in and connected. */
export interface Agent extends AsyncDisposable {
  readonly client: Client;
  readonly provider: MemoryProvider;
}

/** Signs a user in with nothing but the URL of the server, as agents do, and connects. */
export async function connectAgent(
  url: URL,
  { era, user, provider = new MemoryProvider() }: { era: Era; user?: string; provider?: MemoryProvider },
): Promise<Agent> {
  const connect = async () => {
    const transport = new StreamableHTTPClientTransport(url, { authProvider: provider });
    const client = new Client(
      { name: 'test-agent', version: '1.0.0' },
      { versionNegotiation: { mode: era } },
    );
    try {
      await client.connect(transport);
    } catch (error) {
      if (!(error instanceof UnauthorizedError) || !provider.asked) throw error;
      const back = await consentAsUser(provider.asked.href, user);
      await transport.finishAuth(back.searchParams);
      return null;
    }
    return client;
  };
  const client = (await connect()) ?? (await connect());
  if (!client) throw new Error('The agent is not signed in after signing in');
  return { client, provider, [Symbol.asyncDispose]: () => client.close() };
}
