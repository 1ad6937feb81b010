import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Serves one file, whatever the path. Started with its name and media type. */
const [file = '', type = ''] = process.argv.slice(2);
const length = statSync(file).size;
const server = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': type, 'content-length': length });
  createReadStream(file, { highWaterMark: 256 * 1024 }).pipe(response);
});
server.listen(0, '127.0.0.1', () => {
  console.log(`It is ready at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
