import type { Context } from 'koa';
import { ProblemError } from '#libs/problem/problem.ts';
import { parseStrictJson } from '../json-body.ts';
import { readBody } from '../read-body.ts';

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
  const bytes = await readBody(ctx.req, maxBytes, 'the body is too large').catch((error) => {
    throw toBodyError(error);
  });
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new BodyError('the body is not UTF-8');
  }
}

/** What is wrong with a body anywhere, in the words of OAuth. */
function toBodyError(error: unknown): unknown {
  if (!(error instanceof ProblemError)) return error;
  return new BodyError(toErrorDescription(error.detail), error.kind.status);
}

function parseForm(text: string): Parameters {
  if (/%(?![\da-f]{2})/i.test(text))
    throw new BodyError('the body has a % that is not followed by what it stands for');
  return [...new URLSearchParams(text)];
}

/** A sentence as an `error_description`, in its narrow character set (RFC 6749 section 5.2). */
export function toErrorDescription(sentence: string): string {
  const narrow = sentence.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '?').replace(/\.$/, '');
  return narrow.charAt(0).toLowerCase() + narrow.slice(1);
}

function parseJson(text: string): Parameters {
  let parsed: unknown;
  try {
    parsed = parseStrictJson(text);
  } catch (error) {
    throw toBodyError(error);
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed))
    throw new BodyError('the body is not a JSON object');
  return Object.entries(parsed).flatMap(([name, value]) => {
    if (value === null) return [];
    if (typeof value !== 'string') throw new BodyError('every value has to be a string');
    return [[name, value] as const];
  });
}
