import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { ProblemError } from '#libs/problem/problem.ts';
import { readBody } from './read-body.ts';

const mostBytes = 1024 * 1024;
const deepest = 64;
const tooLarge = 'The body is larger than 1 MB. Upload files with POST /media instead.';

type Body = Pick<IncomingMessage, 'headers'> & Readable;

/**
 * Reads a JSON body whole and strictly: at most 1 MB, no compression, valid UTF-8, no name twice in an object.
 * @throws {ProblemError} body_too_large, unsupported_media_type, bad_request
 */
export async function readJsonBody(request: Body): Promise<unknown> {
  const {
    'content-type': type = '',
    'content-encoding': encoding = 'identity',
    'content-length': length,
  } = request.headers;
  if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type))
    throw new ProblemError(
      'unsupported_media_type',
      'Send the body as JSON, with Content-Type: application/json.',
    );
  if (encoding.toLowerCase() !== 'identity')
    throw new ProblemError('unsupported_media_type', 'Send the body without compression.');
  if (Number(length ?? 0) > mostBytes) throw new ProblemError('body_too_large', tooLarge);
  return parseStrictJson(decode(await readBody(request, mostBytes, tooLarge)));
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new ProblemError('bad_request', 'The body is not valid UTF-8.', { cause });
  }
}

/** JSON (RFC 8259) as `JSON.parse` reads it, but a repeated name and a nesting deeper than 64 are refused. */
export function parseStrictJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ProblemError('bad_request', 'The body is not valid JSON.', { cause });
  }
  const fault = findFault(text);
  if (fault) throw new ProblemError('bad_request', fault);
  return value;
}

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/gs;

/** Walks text that is known to be JSON. */
function findFault(text: string): string | null {
  const open: (Set<string> | null)[] = [];
  let previous = '';
  let name = '';
  tokens.lastIndex = 0;
  for (let found = tokens.exec(text); found; found = tokens.exec(text)) {
    const [token] = found;
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const names = open.at(-1);
      const unescaped = JSON.parse(name) as string;
      if (unescaped === '__proto__') return 'The name __proto__ is not allowed.';
      if (names?.has(unescaped)) return `The name ${unescaped.slice(0, 50)} stands twice in one object.`;
      names?.add(unescaped);
    }
    if (open.length > deepest) return 'The body is nested too deeply.';
    if (token.startsWith('"') && previous !== ':') name = token;
    previous = token;
  }
  return null;
}
