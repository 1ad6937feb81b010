import {
  type Contract,
  findPath,
  loadContract,
  type Operation,
  pathParameters,
  resolve,
  type Schema,
} from './openapi-contract.ts';
import { createMatcher, type Matcher } from './openapi-matcher.ts';

interface Exchange {
  readonly method: string;
  /** Path and query, as in the request line. */
  readonly path: string;
  readonly headers: Headers | Readonly<Record<string, string>>;
  /** As it travels; not looked at where it is neither JSON nor a form. */
  readonly body: string;
}

export interface OpenApiValidator {
  /** Throws when an answer is not one that `openapi.yaml` describes; a field that it does not know counts too. */
  checkAnswer(answer: Exchange & { readonly status: number }): void;
  /** Throws when a request is not one that `openapi.yaml` allows. */
  checkRequest(request: Exchange): void;
  /** Throws when the data of a server-sent event is not what `openapi.yaml` says of this path. */
  checkEvent(path: string, data: string): void;
}

/** Holds answers and requests against `openapi.yaml`, the whole of it. */
export function createOpenApiValidator(): OpenApiValidator {
  const contract = loadContract('https://post-to-x.example.com');
  const match = createMatcher(contract);
  return {
    checkAnswer: (answer) => checkAnswer(contract, match, answer),
    checkRequest: (request) => checkRequest(contract, match, request),
    checkEvent(path, data) {
      const operation = findOperation(contract, 'GET', path);
      const answer = operation.known && resolve(contract, operation.known.responses['200'] ?? {});
      const schema = answer?.content?.['text/event-stream']?.['x-event-data'];
      if (!schema) throw new Error(`GET ${path}: openapi.yaml knows no events here`);
      match.answer(
        { $ref: `#/components/schemas/${schema}` },
        toJson(data, `GET ${path} event`),
        `GET ${path} event`,
      );
    },
  };
}

function checkAnswer(contract: Contract, match: Matcher, answer: Exchange & { readonly status: number }) {
  const place = `${answer.method} ${answer.path} answered ${answer.status}`;
  const headers = new Headers(answer.headers);
  const operation = findOperation(contract, answer.method, answer.path);
  if (!operation.known) {
    if (answer.status !== operation.status)
      throw new Error(`${place}: openapi.yaml has no such operation (an answer ${operation.status} is due)`);
    match.answer(problem, toJson(answer.body, place), place);
    return;
  }
  const described = operation.known.responses[String(answer.status)];
  if (!described) {
    const known = Object.keys(operation.known.responses).join(', ');
    throw new Error(`${place}: openapi.yaml knows only ${known}`);
  }
  const { headers: describedHeaders = {}, content } = resolve(contract, described);
  for (const [name, reference] of Object.entries(describedHeaders)) {
    const header = resolve(contract, reference);
    const value = headers.get(name);
    if (value !== null) match.text(header.schema, value, `${place}, header ${name}`);
    else if (header.required) throw new Error(`${place}: the header ${name} is missing`);
  }
  const isRedirect = answer.status >= 300 && answer.status < 400;
  if (answer.method === 'HEAD' || isRedirect) return;
  if (!content) {
    if (answer.body !== '') throw new Error(`${place}: the body must be empty`);
    return;
  }
  const type = contentType(headers);
  const media = content[type];
  if (!media)
    throw new Error(`${place}: content type "${type}", must be one of ${Object.keys(content).join(', ')}`);
  if (isJson(type)) match.answer(media.schema, toJson(answer.body, place), place);
}

function checkRequest(contract: Contract, match: Matcher, request: Exchange): void {
  const place = `${request.method} ${request.path}`;
  const operation = findOperation(contract, request.method, request.path);
  if (!operation.known) throw new Error(`${place}: openapi.yaml has no such operation`);
  const url = new URL(request.path, 'http://localhost');
  const headers = new Headers(request.headers);
  const inPath = pathParameters(operation.template, url.pathname);
  const queryNames = new Set(url.searchParams.keys());
  for (const reference of operation.known.parameters ?? []) {
    const parameter = resolve(contract, reference);
    const { name } = parameter;
    const value = {
      path: inPath[name] ?? null,
      query: url.searchParams.get(name),
      header: headers.get(name),
    }[parameter.in];
    if (parameter.in === 'query') queryNames.delete(name);
    if (value !== null) match.text(parameter.schema, value, `${place}, ${parameter.in} parameter ${name}`);
    else if (parameter.required) throw new Error(`${place}: the parameter ${name} is missing`);
  }
  if (queryNames.size > 0)
    throw new Error(`${place}: openapi.yaml has no parameter ${[...queryNames].join(', ')}`);
  const content = operation.known.requestBody?.content;
  if (!content) {
    if (request.body !== '') throw new Error(`${place}: this operation takes no body`);
    return;
  }
  const type = contentType(headers);
  const media = content[type];
  if (!media)
    throw new Error(`${place}: content type "${type}", must be one of ${Object.keys(content).join(', ')}`);
  if (isJson(type)) match.request(media.schema, toJson(request.body, place), place);
  else if (type === 'application/x-www-form-urlencoded')
    match.request(media.schema, Object.fromEntries(new URLSearchParams(request.body)), place);
}

/** The operation; where there is none, the status that answers such a request. */
type FoundOperation =
  | { readonly known: Operation; readonly template: string }
  | { readonly known: null; readonly status: 404 | 405 };

function findOperation(contract: Contract, method: string, path: string): FoundOperation {
  const template = findPath(contract, new URL(path, 'http://localhost').pathname);
  if (template === undefined) return { known: null, status: 404 };
  const name = method === 'HEAD' ? 'get' : method.toLowerCase();
  const known = contract.paths[template]?.[name];
  return known ? { known, template } : { known: null, status: 405 };
}

const problem: Schema = { $ref: '#/components/schemas/Problem' };

function contentType(headers: Headers): string {
  return (headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

function isJson(type: string): boolean {
  return type === 'application/json' || type.endsWith('+json');
}

function toJson(body: string, place: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new Error(`${place}: the body is not JSON: ${body.slice(0, 200)}`, { cause });
  }
}
