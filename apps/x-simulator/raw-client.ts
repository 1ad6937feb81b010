/** What X answered, taken apart as far as it goes. */
interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON, or undefined where it is none. */
  readonly json: unknown;
}

/** A client of the tests that adds nothing of its own: what goes over the wire is what the test says. */
export interface RawClient {
  get(path: string): Promise<RawAnswer>;
  delete(path: string): Promise<RawAnswer>;
  /** An object goes as JSON, anything else as it is. */
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<RawAnswer>;
  /** Initialize, append in segments, finalize; returns the media id. */
  upload(
    bytes: Buffer,
    media: { mediaType: string; category: string; segmentBytes?: number },
  ): Promise<string>;
}

/** Speaks to `url` with a bearer token, or with none. */
export function createRawClient(url: string, token: string | null): RawClient {
  const authorization = token === null ? {} : { authorization: `Bearer ${token}` };
  const send = async (method: string, path: string, init: RequestInit = {}): Promise<RawAnswer> => {
    const headers = { ...authorization, ...Object.fromEntries(new Headers(init.headers)) };
    const response = await fetch(url + path, { redirect: 'manual', ...init, method, headers });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: parse(text) };
  };
  const post: RawClient['post'] = (path, body, headers = {}) => {
    const isRaw = typeof body === 'string' || body instanceof FormData || body instanceof URLSearchParams;
    if (body === undefined) return send('POST', path, { headers });
    if (isRaw) return send('POST', path, { body, headers });
    const json = { 'content-type': 'application/json', ...headers };
    return send('POST', path, { body: JSON.stringify(body), headers: json });
  };
  return {
    get: (path) => send('GET', path),
    delete: (path) => send('DELETE', path),
    post,
    async upload(bytes, { mediaType, category, segmentBytes = 1_048_576 }) {
      const initialized = await post('/2/media/upload/initialize', {
        media_type: mediaType,
        media_category: category,
        total_bytes: bytes.length,
      });
      const id = String(pick(initialized.json, 'data', 'id'));
      for (let index = 0; index * segmentBytes < bytes.length; index++) {
        const segment = bytes.subarray(index * segmentBytes, (index + 1) * segmentBytes);
        const body = { segment_index: index, media: segment.toString('base64') };
        await post(`/2/media/upload/${id}/append`, body);
      }
      await post(`/2/media/upload/${id}/finalize`, {});
      return id;
    },
  };
}

/** Follows a path into a JSON value; undefined where it ends. */
export function pick(value: unknown, ...path: readonly (string | number)[]): unknown {
  let at = value;
  for (const key of path) at = typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined;
  return at;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
