import { readFileSync } from 'node:fs';
import Router from '@koa/router';
import { parse, stringify } from 'yaml';
import { ProblemError } from '#libs/problem/problem.ts';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Who the document is for: a GPT, which cannot use everything (`x-gpt: false`), or any reader. */
const audiences = ['gpt', 'all'] as const;
type Audience = (typeof audiences)[number];

interface OpenApiDocument {
  readonly yaml: string;
  readonly json: string;
}

/** `openapi.yaml` at the project's root, speaking of this deployment: server, OAuth addresses and examples. */
export function createOpenApiDocument(publicUrl: string, audience: Audience = 'gpt'): OpenApiDocument {
  const source = readSource();
  const placeholder = at(source, ['servers', '0', 'url']);
  if (typeof placeholder !== 'string') throw new Error('openapi.yaml names no server');
  const here = mapStrings(source, (text) => text.replaceAll(placeholder, publicUrl));
  const document = audience === 'all' ? here : forGpt(here);
  return {
    // Aliases are YAML that not every importer follows.
    yaml: stringify(document, { aliasDuplicateObjects: false, lineWidth: 110 }),
    json: JSON.stringify(document),
  };
}

/** The version of this server. */
export function apiVersion(): string {
  const version = at(readSource(), ['info', 'version']);
  if (typeof version !== 'string') throw new Error('openapi.yaml names no version');
  return version;
}

let known: Json | undefined;

/** The document as it stands in the project, parsed once: that takes a tenth of a second. Nobody changes it. */
function readSource(): Json {
  known ??= parse(readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8')) as Json;
  return known;
}

/** A schema of `openapi.yaml` by its name, whole: what it refers to stands in it. For answers, which may gain fields. */
export function schemaOf(name: string): { readonly [name: string]: Json } {
  const source = readSource();
  const inlined = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(inlined);
    if (!isObject(value)) return value;
    const target = typeof value.$ref === 'string' ? value.$ref.slice('#/'.length).split('/') : null;
    if (target) return inlined(at(source, target) ?? null);
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, inlined(child)]));
  };
  const schema = inlined(at(source, ['components', 'schemas', name]) ?? null);
  if (!isObject(schema)) throw new Error(`openapi.yaml has no schema ${name}`);
  return schema;
}

/** `GET /openapi.yaml` and `GET /openapi.json`; each document is made once, when it is first asked for. */
export function openApiRoutes(publicUrl: string): Router {
  const documents = new Map<Audience, OpenApiDocument>();
  const documentFor = (audience: Audience) => {
    const document = documents.get(audience) ?? createOpenApiDocument(publicUrl, audience);
    documents.set(audience, document);
    return document;
  };
  return new Router()
    .get('/openapi.yaml', (ctx) => {
      ctx.body = documentFor(toAudience(ctx.query.audience)).yaml;
      ctx.type = 'application/yaml; charset=utf-8';
    })
    .get('/openapi.json', (ctx) => {
      ctx.body = documentFor(toAudience(ctx.query.audience)).json;
      ctx.type = 'application/json; charset=utf-8';
    });
}

function toAudience(value: string | string[] | undefined): Audience {
  const audience = value === undefined ? 'gpt' : audiences.find((known) => known === value);
  if (audience) return audience;
  const message = `Must be one of ${audiences.join(', ')}.`;
  throw new ProblemError('bad_request', `audience: ${message}`, { errors: [{ field: 'audience', message }] });
}

/**
 * What the GPT editor imports: without anything marked `x-gpt: false`, without what a GPT never sees (examples and
 * headers), and with every reference but those to schemas resolved, since the editor is only known to follow these.
 */
function forGpt(document: Json): Json {
  const slim = resolveReferences(withoutUnseen(document), document);
  if (!isObject(slim) || !isObject(slim.paths) || !isObject(slim.components)) return slim;
  const paths = Object.entries(slim.paths).filter(([, path]) => isObject(path) && hasOperation(path));
  const { schemas, securitySchemes } = slim.components;
  const used = usedSchemas(
    paths.map(([, path]) => path),
    schemas,
  );
  const kept = Object.entries(isObject(schemas) ? schemas : {}).filter(([name]) => used.has(name));
  return {
    ...slim,
    paths: Object.fromEntries(paths),
    components: { securitySchemes: securitySchemes ?? {}, schemas: Object.fromEntries(kept) },
  };
}

const unseen = ['example', 'examples', 'headers'];

function withoutUnseen(value: Json): Json {
  if (Array.isArray(value)) return value.filter((item) => !isMarked(item)).map(withoutUnseen);
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([name, child]) => !isMarked(child) && !unseen.includes(name));
  return Object.fromEntries(kept.map(([name, child]) => [name, withoutUnseen(child)]));
}

function isMarked(value: Json): boolean {
  return isObject(value) && value['x-gpt'] === false;
}

function hasOperation(path: { [name: string]: Json }): boolean {
  return ['get', 'put', 'post', 'patch', 'delete'].some((method) => path[method] !== undefined);
}

const schemaReference = '#/components/schemas/';

function resolveReferences(value: Json, document: Json): Json {
  if (Array.isArray(value)) return value.map((item) => resolveReferences(item, document));
  if (!isObject(value)) return value;
  const reference = value.$ref;
  if (typeof reference === 'string' && !reference.startsWith(schemaReference)) {
    const target = at(document, reference.slice('#/'.length).split('/'));
    if (target === undefined) throw new Error(`openapi.yaml refers to ${reference}, which is not there`);
    return resolveReferences(withoutUnseen(target), document);
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, child]) => [name, resolveReferences(child, document)]),
  );
}

/** Names of the schemas that `roots` refer to, directly or through others. */
function usedSchemas(roots: Json[], schemas: Json | undefined): Set<string> {
  const used = new Set<string>();
  const visit = (value: Json | undefined): void => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (isObject(value)) Object.values(value).forEach(visit);
    else if (typeof value === 'string' && value.startsWith(schemaReference)) {
      const name = value.slice(schemaReference.length);
      if (used.has(name)) return;
      used.add(name);
      visit(at(schemas, [name]));
    }
  };
  roots.forEach(visit);
  return used;
}

function mapStrings(value: Json, change: (text: string) => string): Json {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, mapStrings(child, change)]));
}

function at(value: Json | undefined, path: readonly string[]): Json | undefined {
  return path.reduce<Json | undefined>(
    (found, name) => (Array.isArray(found) ? found[Number(name)] : isObject(found) ? found[name] : undefined),
    value,
  );
}

function isObject(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
