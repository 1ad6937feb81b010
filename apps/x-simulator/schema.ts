import type { z } from 'zod';
import { invalidRequests } from './refusals.ts';

type Issue = z.core.$ZodIssue;

/** Holds a JSON object against a schema, or throws X's 400 with a message per fault in X's words. */
export function parseRequest<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw invalidRequests(result.error.issues.flatMap((issue) => wordIssue(issue, body)));
}

function wordIssue(issue: Issue, body: unknown) {
  const path = pathOf(issue.path);
  const parent = valueAt(body, issue.path.slice(0, -1));
  const value = valueAt(body, issue.path);
  const about = (message: string, at = path, shown = value) => ({
    message,
    parameters: at === '$' ? {} : { [at]: [show(shown)] },
  });
  if (issue.code === 'unrecognized_keys') {
    const unknown = (key: string) =>
      `${path}.${key}: is not defined in the schema and the schema does not allow additional properties`;
    return issue.keys.map((key) => about(unknown(key)));
  }
  if (value === undefined && issue.code !== 'custom')
    return [about(`${path}: is missing but it is required`, pathOf(issue.path.slice(0, -1)), parent)];
  return [about(`${path}: ${wordFault(issue, value)}`)];
}

function wordFault(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return `${typeName(value)} found, ${issue.expected} expected`;
    case 'invalid_value':
      return `does not have a value in the enumeration [${issue.values.map(String).join(', ')}]`;
    case 'too_small':
      if (issue.origin === 'array') return `there must be a minimum of ${issue.minimum} items in the array`;
      return issue.origin === 'string'
        ? `must be at least ${issue.minimum} characters long`
        : `must have a minimum value of ${issue.minimum}`;
    case 'too_big':
      if (issue.origin === 'array') return `there must be a maximum of ${issue.maximum} items in the array`;
      return issue.origin === 'string'
        ? `may only be ${issue.maximum} characters long`
        : `must have a maximum value of ${issue.maximum}`;
    case 'invalid_format':
      return `does not match the regex pattern ${issue.pattern ?? issue.format}`;
    default:
      return issue.message;
  }
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

function pathOf(path: readonly PropertyKey[]): string {
  return `$${path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('')}`;
}

function valueAt(body: unknown, path: readonly PropertyKey[]): unknown {
  let value: unknown = body;
  for (const key of path)
    value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  return value;
}

/** A value as X repeats it: short, and whatever it is. */
function show(value: unknown): string {
  try {
    return (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).slice(0, 1_000);
  } catch {
    return '[nested too deeply]';
  }
}
