import type { Context } from 'koa';
import { ProblemError } from '#libs/problem/problem.ts';
import { endSoon, mostMs, parseStrictJson } from '../json-body.ts';

/** A body that cannot be read as parameters: the description says why, in RFC 6749's narrow character set. */
export class BodyError extends Error {
  readonly status: number;

  constructor(message: string, status = 400) {
    super(message);
    this.name = 'BodyError';
    this.status = status;
  }
}

/** Names and values in the order sent, doubles included. */
export type Parameters = readonly (readonly [name: string, value: string])[];

const maxBytes = 64 * 1024;

/** Reads a form or a flat JSON object of strings. @throws BodyError */
export async function readParameters(ctx: Context): Promise<Parameters> {
  const encoding = ctx.get('content-encoding');
  if (encoding !== '' && encoding !== 'identity')
    throw new BodyError('compressed bodies are not accepted', 415);
  const text = await readText(ctx);
  if (text === '') return [];
  if (ctx.is('json', '+json')) return parseJson(text);
  if (ctx.is('urlencoded')) return parseForm(text);
  throw new BodyError('send application/x-www-form-urlencoded or application/json', 415);
}

async function readText(ctx: Context): Promise<string> {
  const late = Promise.withResolvers<never>();
  const slow = setTimeout(() => {
    endSoon(ctx.req);
    late.reject(new BodyError(`the body did not arrive within ${mostMs / 1000} seconds`));
  }, mostMs);
  const bytes = await Promise.race([readBytes(ctx), late.promise]).finally(() => clearTimeout(slow));
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new BodyError('the body is not UTF-8');
  }
}

async function readBytes(ctx: Context): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of ctx.req.iterator({ destroyOnReturn: false })) {
    received += chunk.length;
    // The rest is not read: the answer closes the connection.
    if (received > maxBytes) throw new BodyError('the body is too large', 413);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseForm(text: string): Parameters {
  if (/%(?![\da-f]{2})/i.test(text))
    throw new BodyError('the body has a % that is not followed by what it stands for');
  return [...new URLSearchParams(text)];
}

/** A sentence as an `error_description` (RFC 6749 section 5.2). */
function inNarrowCharacters(sentence: string): string {
  const narrow = sentence.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '?').replace(/\.$/, '');
  return narrow.charAt(0).toLowerCase() + narrow.slice(1);
}

function parseJson(text: string): Parameters {
  let parsed: unknown;
  try {
    parsed = parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    throw new BodyError(inNarrowCharacters(error.detail));
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed))
    throw new BodyError('the body is not a JSON object');
  return Object.entries(parsed).flatMap(([name, value]) => {
    if (value === null) return [];
    if (typeof value !== 'string') throw new BodyError('every value has to be a string');
    return [[name, value] as const];
  });
}
