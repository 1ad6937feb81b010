import { createOpenApiDocument } from '#apps/api/openapi.ts';

export type Schema = Readonly<Record<string, unknown>>;
interface Reference {
  readonly $ref: string;
}
interface MediaType {
  readonly schema: Schema;
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly value: unknown } | Reference>>;
  /** Server-sent events: the schema of each event's data. */
  readonly 'x-event-data'?: string;
}
interface Header {
  readonly required?: boolean;
  readonly schema: Schema;
}
interface Parameter extends Header {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly description: string;
}
interface Answer {
  readonly headers?: Readonly<Record<string, Header | Reference>>;
  readonly content?: Readonly<Record<string, MediaType>>;
}
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly security?: readonly unknown[];
  readonly parameters?: readonly (Parameter | Reference)[];
  readonly requestBody?: { readonly content: Readonly<Record<string, MediaType>> };
  readonly responses: Readonly<Record<string, Answer | Reference>>;
  readonly 'x-gpt'?: boolean;
  readonly 'x-openai-isConsequential'?: boolean;
}
/** An OpenAPI document as ours is: only what the tests look at. */
export interface Contract {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly securitySchemes: Readonly<Record<string, { readonly type: string; readonly flows?: unknown }>>;
  };
}

/** The document that a deployment at `publicUrl` serves. */
export function loadContract(publicUrl: string, audience: 'gpt' | 'all' = 'all'): Contract {
  return JSON.parse(createOpenApiDocument(publicUrl, audience).json) as Contract;
}

/** Every operation with its place. */
export function operationsOf(contract: Contract): { path: string; method: string; operation: Operation }[] {
  return Object.entries(contract.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
}

/** The path of the document that a request's path falls under; one without parameters goes first. */
export function findPath(contract: Contract, pathname: string): string | undefined {
  const templates = Object.keys(contract.paths).toSorted((a, b) => a.split('{').length - b.split('{').length);
  return templates.find((template) => patternOf(template).test(pathname));
}

/** Values of the path's parameters, decoded. */
export function pathParameters(template: string, pathname: string): Record<string, string> {
  const names = [...template.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  const values = patternOf(template).exec(pathname)?.slice(1) ?? [];
  return Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(values[index] ?? '')]));
}

function patternOf(template: string): RegExp {
  const parts = template.split(/\{\w+\}/).map((part) => part.replace(/[.*+?^$()[\]\\|]/g, '\\$&'));
  return new RegExp(`^${parts.join('([^/]+)')}$`);
}

/** What a reference points to; anything else as it is. */
export function resolve<T extends object>(contract: Contract, value: T | Reference): T {
  if (!('$ref' in value)) return value;
  const path = value.$ref.replace('#/', '').split('/');
  return path.reduce<unknown>((found, name) => (found as Record<string, unknown>)[name], contract) as T;
}
