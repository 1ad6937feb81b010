import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Contract, Schema } from './openapi-contract.ts';

/** Holds values against schemas of the document; throws a readable error that begins with `place`. */
export interface Matcher {
  /** JSON of ours: closed, so that a field which the document does not know is an error. */
  answer(schema: Schema, value: unknown, place: string): void;
  /** JSON of a caller, as open as the document says; null stands for a field left out. */
  request(schema: Schema, value: unknown, place: string): void;
  /** A header or parameter, which is text and stands for what the schema says. */
  text(schema: Schema, value: string, place: string): void;
}

/** Checks against the schemas of `contract`; each is compiled once. */
export function createMatcher(contract: Contract): Matcher {
  const answers = createCheck(withClosedObjects(contract), false);
  const requests = createCheck(withChatFiles(contract), false);
  const texts = createCheck(contract, true);
  return {
    answer: answers,
    request: (schema, value, place) => requests(schema, withoutNulls(value), place),
    text: (schema, value, place) =>
      texts({ type: 'object', properties: { value: absolute(schema) } }, { value }, place),
  };
}

function createCheck(contract: Contract, coerceTypes: boolean): Matcher['answer'] {
  const ajv = createAjv(contract, coerceTypes);
  const compiled = new Map<string, ValidateFunction>();
  return (schema, value, place) => {
    const key = JSON.stringify(schema);
    const validate = compiled.get(key) ?? ajv.compile(absolute(schema));
    compiled.set(key, validate);
    if (validate(value)) return;
    const faults = (validate.errors ?? []).map(({ instancePath, message, params }) => {
      const [detail] = Object.values(params);
      return `${instancePath || '/'} ${message}${detail === undefined ? '' : ` (${JSON.stringify(detail)})`}`;
    });
    throw new Error(`${place} does not fit openapi.yaml: ${faults.join('; ')}`);
  };
}

function createAjv(contract: Contract, coerceTypes: boolean): Ajv2020 {
  const ajv = new Ajv2020({
    strict: false,
    allErrors: true,
    coerceTypes,
    logger: false,
    validateSchema: false,
  });
  formats.default(ajv);
  return ajv.addSchema(contract, 'openapi');
}

/** References of the document, seen from outside of it. */
const absolute = (schema: Schema): Schema =>
  typeof schema.$ref === 'string' ? { $ref: `openapi${schema.$ref}` } : schema;

/** Every object schema without `additionalProperties` takes nothing but its properties. */
function withClosedObjects<T>(value: T): T {
  return mapObjects(value, (object) =>
    object.type === 'object' && 'properties' in object && !('additionalProperties' in object)
      ? { ...object, additionalProperties: false }
      : object,
  );
}

/** `openaiFileIdRefs` is declared as strings, which is what makes ChatGPT hand files over; it then sends objects. */
function withChatFiles<T>(value: T): T {
  const file = {
    type: 'object',
    required: ['download_link'],
    properties: { download_link: { type: 'string' } },
  };
  return mapObjects(value, (object) => {
    if (!('openaiFileIdRefs' in object)) return object;
    const items = { anyOf: [{ type: 'string' }, file] };
    return { ...object, openaiFileIdRefs: { type: 'array', maxItems: 10, items } };
  });
}

function withoutNulls(value: unknown): unknown {
  return mapObjects(value, (object) =>
    Object.fromEntries(Object.entries(object).filter(([, child]) => child !== null)),
  );
}

function mapObjects<T>(value: T, change: (object: Record<string, unknown>) => Record<string, unknown>): T {
  const text = JSON.stringify(value);
  return JSON.parse(text, (_name, child: unknown) =>
    typeof child === 'object' && child !== null && !Array.isArray(child)
      ? change(child as Record<string, unknown>)
      : child,
  ) as T;
}
