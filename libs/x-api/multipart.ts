/** The segment's bytes are sent from where they are, between two small pieces (RFC 7578), `segment_index` first. */
export function multipart(segmentIndex: number, bytes: Uint8Array) {
  const boundary = `segment-${crypto.randomUUID()}`;
  const part = (disposition: string) => `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n`;
  const head = Buffer.from(
    `${part('name="segment_index"')}\r\n${segmentIndex}\r\n` +
      `${part('name="media"; filename="segment"')}Content-Type: application/octet-stream\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const length = head.length + bytes.length + tail.length;
  return {
    body: [head, bytes, tail],
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': String(length),
    },
  };
}
