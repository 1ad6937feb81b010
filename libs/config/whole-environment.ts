import { isPlaceholder } from './environment.ts';

/** Which process reads the environment: `start` generates what is missing, the others insist on it. */
export type Role = 'start' | 'api' | 'worker';

/** What is wrong with the environment besides the single values: what is missing for a role, or beside another one. */
export function missingVariables(given: Record<string, unknown>, role: Role): string[] {
  const problems: string[] = [];
  const pair = (name: string, other: string) => {
    if (given[other] !== undefined && given[name] === undefined)
      problems.push(`${name}: is required when ${other} is set`);
  };
  pair('CLIENT_ID', 'CLIENT_SECRET');
  pair('CLIENT_SECRET', 'CLIENT_ID');
  pair('GPT_CLIENT_ID', 'GPT_CLIENT_SECRET');
  pair('ADMIN_USER', 'ADMIN_PASSWORD');
  pair('ADMIN_PASSWORD', 'ADMIN_USER');
  pair('GPT_CLIENT_SECRET', 'GPT_CLIENT_ID');
  pair('GPT_CLIENT_ID', 'GPT_REDIRECT_URIS');
  if (role === 'start') return problems;
  if (given.REDIS_URL === undefined)
    problems.push(`REDIS_URL: is required for \`npm run ${role}\` (only \`npm start\` brings its own Redis)`);
  if (given.TOKEN_KEYS === undefined)
    problems.push('TOKEN_KEYS: is required; make one with: echo "k1:$(openssl rand -base64 32)"');
  if (role === 'api' && given.SECRET_KEY === undefined) {
    if (given.FLASK_SECRET_KEY === undefined)
      problems.push('SECRET_KEY: is required; make one with: openssl rand -base64 32');
    else if (usableFlaskKey(String(given.FLASK_SECRET_KEY)) === undefined)
      problems.push('FLASK_SECRET_KEY: must have at least 32 characters and not be a placeholder');
  }
  return problems;
}

/** What was set and has no effect, one sentence each. */
export function ignoredVariables(given: Record<string, unknown>): string[] {
  const notices: string[] = [];
  const unused = ['ACCESS_TOKEN', 'ACCESS_TOKEN_SECRET'].filter((name) => given[name] !== undefined);
  if (unused.length > 0)
    notices.push(
      `${unused.join(' and ')} no longer mean anything and are ignored: accounts connect by signing in.`,
    );
  if (
    given.SECRET_KEY === undefined &&
    given.FLASK_SECRET_KEY !== undefined &&
    usableFlaskKey(String(given.FLASK_SECRET_KEY)) === undefined
  )
    notices.push(
      'FLASK_SECRET_KEY is too short to sign cookies with and is ignored: a generated key is used.',
    );
  return notices;
}

/** The longest that a post may be on its way: five seconds until it is sent, thirty for X's answer. */
const sendingMs = 35_000;

/** What is allowed, for tests for instance, and dangerous with the real X; one sentence each. */
export function riskyValues({ CONFIRM_AFTER_MS }: { readonly CONFIRM_AFTER_MS: number }): string[] {
  if (CONFIRM_AFTER_MS >= sendingMs) return [];
  return [
    `CONFIRM_AFTER_MS=${CONFIRM_AFTER_MS} is less than the ${sendingMs / 1000} seconds that a post may be on its way to X: one that is taken for lost may be sent twice.`,
  ];
}

/** An older name of `SECRET_KEY`, where its value is good enough to sign with. */
export function usableFlaskKey(value: string | undefined): string | undefined {
  return value !== undefined && value.length >= 32 && !isPlaceholder(value) ? value : undefined;
}
