import { createOpenApiValidator, type OpenApiValidator } from './openapi-validator.ts';

/** `fetch` of one API: a path, or a URL of any place; what goes elsewhere is not looked at. */
export type ValidatingFetch = (target: string | URL, init?: RequestInit) => Promise<Response>;

/**
 * A `fetch` that throws when an answer is not one that `openapi.yaml` describes, or when the API took a request that
 * `openapi.yaml` does not allow. Server-sent events are checked while they are read.
 */
export function validatingFetch(baseUrl: string): ValidatingFetch {
  const validator = createOpenApiValidator();
  const { origin } = new URL(baseUrl);
  return async (target, init = {}) => {
    const asked = new URL(target, baseUrl);
    const response = await fetch(asked, init);
    const url = new URL(response.url);
    if (asked.origin !== origin || url.origin !== origin) return response;
    const path = url.pathname + url.search;
    const method = response.redirected ? 'GET' : (init.method ?? 'GET').toUpperCase();
    const { status, headers } = response;
    if (headers.get('content-type')?.startsWith('text/event-stream')) {
      validator.checkAnswer({ method, path, status, headers, body: '' });
      return withCheckedEvents(response, path, validator);
    }
    validator.checkAnswer({ method, path, status, headers, body: await response.clone().text() });
    if (response.ok && !response.redirected) checkTakenRequest(validator, asked, init, method);
    return response;
  };
}

/** A body that is no text (multipart, a stream) is left out, and then the whole request. */
function checkTakenRequest(validator: OpenApiValidator, url: URL, init: RequestInit, method: string): void {
  const form = init.body instanceof URLSearchParams;
  if (init.body !== undefined && init.body !== null && typeof init.body !== 'string' && !form) return;
  const headers = new Headers(init.headers);
  if (form && !headers.has('content-type')) headers.set('content-type', 'application/x-www-form-urlencoded');
  validator.checkRequest({ method, path: url.pathname + url.search, headers, body: String(init.body ?? '') });
}

function withCheckedEvents(response: Response, path: string, validator: OpenApiValidator): Response {
  let pending = '';
  const check = new TransformStream<string, string>({
    transform(chunk, controller) {
      const blocks = (pending + chunk).split('\n\n');
      pending = blocks.pop() ?? '';
      for (const block of blocks) checkEvent(block, path, validator);
      controller.enqueue(chunk);
    },
  });
  const body = response.body
    ?.pipeThrough(new TextDecoderStream())
    .pipeThrough(check)
    .pipeThrough(new TextEncoderStream());
  return new Response(body, { status: response.status, headers: response.headers });
}

function checkEvent(block: string, path: string, validator: OpenApiValidator): void {
  const lines = block.split('\n').filter((line) => line !== '' && !line.startsWith(':'));
  const valuesOf = (field: string) =>
    lines
      .filter((line) => line.startsWith(`${field}:`))
      .map((line) => line.slice(field.length + 1).trimStart());
  const data = valuesOf('data');
  if (data.length === 0) return;
  if (valuesOf('event').join() !== 'job')
    throw new Error(`GET ${path}: an event that is not named job: ${block}`);
  validator.checkEvent(path, data.join('\n'));
}
