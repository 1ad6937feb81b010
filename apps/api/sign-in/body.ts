import type { Context } from 'koa';

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
  if (ctx.is('urlencoded')) return [...new URLSearchParams(text)];
  throw new BodyError('send application/x-www-form-urlencoded or application/json', 415);
}

async function readText(ctx: Context): Promise<string> {
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of ctx.req.iterator({ destroyOnReturn: false })) {
    received += chunk.length;
    // The rest is not read: the answer closes the connection.
    if (received > maxBytes) throw new BodyError('the body is too large', 413);
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new BodyError('the body is not UTF-8');
  }
}

function parseJson(text: string): Parameters {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new BodyError('the body is not valid JSON');
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed))
    throw new BodyError('the body is not a JSON object');
  return Object.entries(parsed).flatMap(([name, value]) => {
    if (value === null) return [];
    if (typeof value !== 'string') throw new BodyError('every value has to be a string');
    return [[name, value] as const];
  });
}
