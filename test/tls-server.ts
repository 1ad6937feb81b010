import { once } from 'node:events';
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls';

/** For `localhost` and `127.0.0.1`, self-signed, until 2126: guards nothing but the servers of tests. */
const certificate = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgqpUpKVRYYnG1GIpc
hO7R67lL3FG74Tca7Xo1vxEqxC+hRANCAASbKgqbKAW7brSUym8SOBzs2h/hVzCT
nbo/qTDWsSLfncZtTjBbHiJLvlyydiLn/9MNqdf4iVwqmeSms+ROS2Ku
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIULziTCuxhoN8iCxOGW5cKSM9oZCkwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjIyMDkwN1oYDzIxMjYxMDI5
MjIwOTA3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASbKgqbKAW7brSUym8SOBzs2h/hVzCTnbo/qTDWsSLfncZtTjBbHiJL
vlyydiLn/9MNqdf4iVwqmeSms+ROS2Kuo28wbTAdBgNVHQ4EFgQU8LFARfBPuBEx
whWfAX0nCmHNvhcwHwYDVR0jBBgwFoAU8LFARfBPuBExwhWfAX0nCmHNvhcwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgbr+4lExhMi8LCBCevnll8DASZ/lCinbDpr0B7jbn/OACIGlv
bdjMgQqbORsMyVYQZ7k58R4PusQTNKFdlBEOvi2n
-----END CERTIFICATE-----`,
};

const usual = getCACertificates('default');

/** From here on this process believes the servers below. */
export const trustTlsServers = (): void => setDefaultCACertificates([...usual, certificate.cert]);
/** As it was before. */
export const distrustTlsServers = (): void => setDefaultCACertificates(usual);

/** A server on loopback that speaks HTTP/2 with whoever can, and HTTP/1.1 with others. */
export async function startTlsServer(
  listener: (request: Http2ServerRequest, response: Http2ServerResponse) => void,
) {
  const server = createSecureServer({ ...certificate, allowHTTP1: true }, listener);
  const connections: TLSSocket[] = [];
  const resumed: boolean[] = [];
  server.on('secureConnection', (socket) => {
    connections.push(socket);
    resumed.push(socket.isSessionReused());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    /** Which of them took up a session of TLS. */
    resumed,
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
