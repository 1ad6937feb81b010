import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signInThrough } from './test-flows.ts';
import { ada, everyScope, gpt, startWorld, type World } from './test-world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

const redirectUri = gpt.redirectUris[0];

describe('openid-client', () => {
  it.each([
    ['client_secret_post', openid.ClientSecretPost(gpt.clientSecret)],
    ['client_secret_basic', openid.ClientSecretBasic(gpt.clientSecret)],
  ])('signs in, refreshes and revokes with %s', async (_, authentication) => {
    const configuration = await openid.discovery(new URL(world.publicUrl), gpt.clientId, {}, authentication, {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    });
    const pkceCodeVerifier = openid.randomPKCECodeVerifier();
    const expectedState = openid.randomState();
    const url = openid.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: everyScope,
      state: expectedState,
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    });
    const back = await signInThrough(world, url.href);
    const tokens = await openid.authorizationCodeGrant(configuration, back, {
      pkceCodeVerifier,
      expectedState,
    });
    expect(tokens.expires_in).toBe(3600);
    expect(await world.signIn.findCaller(tokens.access_token)).toMatchObject({ accountId: ada.id });
    const refreshed = await openid.refreshTokenGrant(configuration, tokens.refresh_token ?? '');
    expect(refreshed.scope).toBe(everyScope);
    await openid.tokenRevocation(configuration, refreshed.refresh_token ?? '');
    expect(await world.signIn.findCaller(refreshed.access_token)).toBeNull();
    await expect(openid.refreshTokenGrant(configuration, tokens.refresh_token ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    });
  });
});

describe('oauth4webapi', () => {
  const insecure = { [oauth.allowInsecureRequests]: true } as const;
  const client = { client_id: gpt.clientId };
  const authentication = oauth.ClientSecretPost(gpt.clientSecret);

  const discover = async () => {
    const issuer = new URL(world.publicUrl);
    const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
    return oauth.processDiscoveryResponse(issuer, response);
  };

  it('accepts the metadata, which announce nothing that is not there', async () => {
    const metadata = await discover();
    expect(metadata).toMatchObject({
      issuer: world.publicUrl,
      authorization_endpoint: `${world.publicUrl}/oauth/authorize`,
      token_endpoint: `${world.publicUrl}/oauth/token`,
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      response_types_supported: ['code'],
    });
    expect(JSON.stringify(metadata)).not.toMatch(/implicit|openid|id_token|userinfo/);
  });

  it('signs in with issuer, state and PKCE checked, for the resource that it names', async () => {
    const metadata = await discover();
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const resource = `${world.publicUrl}/mcp`;
    const url = new URL(metadata.authorization_endpoint ?? '');
    url.search = new URLSearchParams({
      response_type: 'code',
      client_id: gpt.clientId,
      redirect_uri: redirectUri,
      state,
      resource,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    }).toString();
    const parameters = oauth.validateAuthResponse(
      metadata,
      client,
      await signInThrough(world, url.href),
      state,
    );
    const response = await oauth.authorizationCodeGrantRequest(
      metadata,
      client,
      authentication,
      parameters,
      redirectUri,
      verifier,
      { ...insecure, additionalParameters: { resource } },
    );
    const tokens = await oauth.processAuthorizationCodeResponse(metadata, client, response);
    expect(await world.signIn.findCaller(tokens.access_token)).toMatchObject({ audience: 'mcp' });
    const refreshing = await oauth.refreshTokenGrantRequest(
      metadata,
      client,
      authentication,
      tokens.refresh_token ?? '',
      insecure,
    );
    const refreshed = await oauth.processRefreshTokenResponse(metadata, client, refreshing);
    expect(await world.signIn.findCaller(refreshed.access_token)).toMatchObject({ audience: 'mcp' });
    const revoked = await oauth.revocationRequest(
      metadata,
      client,
      authentication,
      refreshed.access_token,
      insecure,
    );
    await oauth.processRevocationResponse(revoked);
    expect(await world.signIn.findCaller(refreshed.access_token)).toBeNull();
  });
});
