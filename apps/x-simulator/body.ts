import type { Call } from './endpoints.ts';
import { invalidRequest } from './refusals.ts';

/** The fields of a form, a JSON object or, failing those, the query string; only strings count. */
export function readOAuthFields(call: Call): ReadonlyMap<string, string> {
  const fields = new Map<string, string>(call.query);
  const type = call.headers['content-type'] ?? '';
  const text = call.body.toString('utf8');
  if (type.includes('json')) {
    const parsed = parseJson(text);
    if (isObject(parsed))
      for (const [name, value] of Object.entries(parsed))
        if (typeof value === 'string') fields.set(name, value);
  } else {
    for (const [name, value] of new URLSearchParams(text)) fields.set(name, value);
  }
  return fields;
}

/** The JSON object of a request's body, or X's three complaints about it. */
export function readJsonObject(call: Call): Record<string, unknown> {
  const type = call.headers['content-type'] ?? '';
  if (!/^application\/([a-z.+-]+\+)?json\s*(;|$)/i.test(type))
    throw invalidRequest('Requests with bodies must have content-type of application/json.');
  const parsed = parseJson(call.body.toString('utf8'));
  if (parsed === undefined) throw invalidRequest('Request body is not valid JSON.');
  if (!isObject(parsed)) throw invalidRequest('Request body must be a JSON object.');
  return parsed;
}

/** Undefined where the text is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
