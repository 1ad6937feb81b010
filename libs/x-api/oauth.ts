/** What X hands out for one account. */
export interface TokenSet {
  readonly accessToken: string;
  /** Works once. null: X gave none (no `offline.access`). */
  readonly refreshToken: string | null;
  /** End of the access token, epoch ms by our clock. */
  readonly expiresAt: number;
  /** What X granted, maybe less than was asked. */
  readonly scope: readonly string[];
}

export interface XOAuth extends AsyncDisposable {
  authorizationRequest(): Promise<{
    readonly url: string;
    readonly state: string;
    readonly codeVerifier: string;
  }>;
  exchange(callback: { readonly code: string; readonly codeVerifier: string }): Promise<TokenSet>;
  refresh(refreshToken: string): Promise<TokenSet>;
  revoke(token: string, hint: 'access_token' | 'refresh_token'): Promise<void>;
}

export interface XOAuthOptions {
  readonly apiUrl: string;
  readonly authorizeUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUri: string;
}

/** Our OAuth 2.0 client at X (authorization code with PKCE). */
export function createXOAuth(_options: XOAuthOptions): XOAuth {
  throw new Error('being written');
}
