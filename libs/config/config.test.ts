import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from './config.ts';

const secretKey = randomBytes(32).toString('base64');
const tokenKeys = `k1:${randomBytes(32).toString('base64')}`;

function problemsOf(
  environment: Record<string, string>,
  role: 'start' | 'api' | 'worker',
): readonly string[] {
  try {
    loadConfig(environment, role);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('loadConfig', () => {
  it('npm start needs nothing and is then a sandbox', () => {
    const config = loadConfig({}, 'start');
    expect(config.x.sandbox).toBe(true);
    expect(config.http).toEqual({ host: '127.0.0.1', port: 5000, publicUrl: undefined, trustedProxies: 0 });
    expect(config.publish).toEqual({
      resendPolicy: 'once',
      confirmAfterMs: 60_000,
      giveUpAfterMs: 3_600_000,
    });
    expect(config.worker).toEqual({ queues: ['media', 'tweets'], concurrency: 8 });
  });

  it('names every problem at once, by variable', () => {
    const problems = problemsOf(
      {
        PORT: 'http',
        CLIENT_ID: 'id',
        SECRET_KEY: 'short',
        TOKEN_KEYS: 'k1:AAAA',
        WORKER_QUEUES: 'media,posts',
      },
      'api',
    );
    expect(problems.map((line) => line.split(':')[0]).sort()).toEqual(
      ['CLIENT_SECRET', 'PORT', 'REDIS_URL', 'SECRET_KEY', 'TOKEN_KEYS', 'WORKER_QUEUES'].sort(),
    );
  });

  it('api and worker refuse to start without Redis and keys', () => {
    expect(problemsOf({}, 'api').join('\n')).toMatch(/REDIS_URL[\s\S]*TOKEN_KEYS[\s\S]*SECRET_KEY/);
    expect(problemsOf({ REDIS_URL: 'redis://127.0.0.1', TOKEN_KEYS: tokenKeys }, 'worker')).toEqual([]);
  });

  it('takes the environment file of the seed projects as it stands', () => {
    const config = loadConfig(
      {
        FLASK_SECRET_KEY: 'your_secret_key',
        CLIENT_ID: 'id',
        CLIENT_SECRET: 'secret',
        ACCESS_TOKEN: 'a',
        ACCESS_TOKEN_SECRET: 'b',
        REDIRECT_URI: 'http://localhost:5000/callback',
      },
      'start',
    );
    expect(config.x).toMatchObject({ sandbox: false, redirectUri: 'http://localhost:5000/callback' });
    expect(config.notices.join(' ')).toMatch(/ACCESS_TOKEN and ACCESS_TOKEN_SECRET.*FLASK_SECRET_KEY/);
  });

  it('reads FLASK_SECRET_KEY where SECRET_KEY is not set', () => {
    const given = { REDIS_URL: 'redis://127.0.0.1', TOKEN_KEYS: tokenKeys, FLASK_SECRET_KEY: secretKey };
    expect(loadConfig(given, 'api').secrets.secretKey).toBe(secretKey);
  });

  it('refuses keys that are weak or placeholders', () => {
    expect(problemsOf({ TOKEN_KEYS: `k1:${Buffer.alloc(32).toString('base64')}` }, 'start')).toHaveLength(1);
    expect(problemsOf({ SECRET_KEY: 'change_me_change_me_change_me_change_me' }, 'start')).toHaveLength(1);
  });

  it('refuses a PUBLIC_URL that is more than an origin', () => {
    expect(problemsOf({ PUBLIC_URL: 'https://example.com/app' }, 'start')).toHaveLength(1);
    expect(loadConfig({ PUBLIC_URL: 'https://example.com/' }, 'start').http.publicUrl).toBe(
      'https://example.com',
    );
  });

  it('traces go nowhere, or where OpenTelemetry says: below the one address, exactly to the other', () => {
    const tracingOf = (environment: Record<string, string>) =>
      loadConfig(environment, 'start').operate.tracing;
    expect(tracingOf({ OTEL_EXPORTER_OTLP_HEADERS: 'a=b' })).toBeNull();
    const base = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/' };
    const url = 'http://collector:4318/v1/traces';
    expect(tracingOf(base)).toEqual({ url, headers: {}, share: 1 });
    const exact = { ...base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces.example/in?x=1' };
    expect(tracingOf(exact)?.url).toBe('https://traces.example/in?x=1');
    const headers = 'Authorization=Basic%20dXNlcg==, x-scope=a';
    expect(
      tracingOf({ ...base, OTEL_EXPORTER_OTLP_HEADERS: headers, OTEL_TRACES_SAMPLER_ARG: '0.25' }),
    ).toEqual({ url, headers: { Authorization: 'Basic dXNlcg==', 'x-scope': 'a' }, share: 0.25 });
    const wrong = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318',
      OTEL_EXPORTER_OTLP_HEADERS: 'key=a%0Ab',
      OTEL_TRACES_SAMPLER_ARG: '2',
    };
    expect(problemsOf(wrong, 'start').map((line) => line.split(':')[0])).toEqual(Object.keys(wrong));
  });

  it('says when posts are taken for lost while they may still be on their way', () => {
    const noticesAt = (ms: number) =>
      loadConfig({ CONFIRM_AFTER_MS: String(ms) }, 'start').notices.filter((line) => /twice/.test(line));
    expect(noticesAt(35_000)).toEqual([]);
    expect(noticesAt(34_999)).toEqual([expect.stringContaining('CONFIRM_AFTER_MS=34999')]);
  });
});
