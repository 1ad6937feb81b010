import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { ForeignTokens } from '#libs/accounts/import-account.ts';

/** A file that holds no tokens to import; the message says why, in one sentence, and nothing of what it holds. */
export class TokenFileError extends Error {}

const word = z.string().trim().min(1);
const TokenFile = z.object({
  refresh_token: word,
  scope: z.union([z.string(), z.array(z.string())]).nullish(),
});

/** Reads the `token.json` of a Python server (requests-oauthlib), also where the token lies one level deeper. */
export async function readTokenFile(path: string): Promise<ForeignTokens> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === 'ENOENT' ? 'There is no such file' : `It cannot be read (${cause.code})`;
    throw new TokenFileError(`${path}: ${reason}.`);
  });
  return parseTokens(text.replace(/^\uFEFF/, ''), path);
}

function parseTokens(text: string, path: string): ForeignTokens {
  const value = parseJson(text, path);
  const parsed = TokenFile.safeParse(value).data ?? TokenFile.safeParse(inner(value)).data;
  if (!parsed)
    throw new TokenFileError(
      `${path}: It holds no refresh_token, and an access token alone ends within two hours. Connect the account at /startAuth instead.`,
    );
  const { refresh_token: refreshToken, scope } = parsed;
  const scopes = typeof scope === 'string' ? scope.split(/[\s,]+/) : (scope ?? []);
  return { refreshToken, scope: scopes.filter(Boolean) };
}

/** The parser's own words would quote the file. */
function parseJson(text: string, path: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    // Written twice over: `json.dump(json.dumps(token))`.
    return typeof value === 'string' ? JSON.parse(value) : value;
  } catch {
    throw new TokenFileError(`${path}: It is not JSON.`);
  }
}

function inner(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'token' in value ? value.token : undefined;
}
