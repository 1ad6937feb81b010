import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A web server that pictures are fetched from; `files` and `pages` may change while it runs. */
export interface MediaHost extends AsyncDisposable {
  readonly host: string;
  /** Address of a path, as in `url('/a.jpg')`. */
  url(path: string): string;
  readonly files: Map<string, Buffer>;
  /** Paths that answer in their own way. */
  readonly pages: Map<string, RequestListener>;
  /** Paths in the order they were asked for. */
  readonly requests: string[];
}

export async function startMediaHost(): Promise<MediaHost> {
  const files = new Map<string, Buffer>();
  const pages = new Map<string, RequestListener>();
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '/';
    requests.push(path);
    const page = pages.get(path);
    if (page) return page(request, response);
    const file = files.get(path);
    response.writeHead(file ? 200 : 404, { 'content-length': file?.length ?? 0 });
    response.end(file);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    url: (path) => `http://127.0.0.1:${port}${path}`,
    files,
    pages,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
