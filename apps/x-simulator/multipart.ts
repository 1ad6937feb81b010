/** One part of a multipart/form-data body: bytes as they came, whether or not it has a filename. */
export interface Part {
  readonly name: string;
  readonly filename: string | null;
  readonly bytes: Buffer;
}

/** Takes a multipart/form-data body apart (RFC 7578); null where it is malformed or cut off. */
export function parseMultipart(contentType: string, body: Buffer): readonly Part[] | null {
  const boundary = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType);
  const name = boundary?.[1] ?? boundary?.[2];
  if (!name || name.length > 200) return null;
  // The first delimiter may stand at the very start, all others follow a line break that belongs to them.
  const delimiter = Buffer.from(`\r\n--${name}`);
  const text = Buffer.concat([Buffer.from('\r\n'), body]);
  const parts: Part[] = [];
  let at = text.indexOf(delimiter);
  while (at !== -1) {
    const start = at + delimiter.length;
    if (text.subarray(start, start + 2).toString('latin1') === '--') return parts;
    const lineEnd = text.indexOf('\r\n', start);
    const next = text.indexOf(delimiter, start);
    if (lineEnd === -1 || next === -1) return null;
    const part = parsePart(text.subarray(lineEnd + 2, next));
    if (!part || parts.length === 100) return null;
    parts.push(part);
    at = next;
  }
  return null;
}

function parsePart(part: Buffer): Part | null {
  const headersEnd = part.indexOf('\r\n\r\n');
  if (headersEnd === -1) return null;
  const headers = part.subarray(0, headersEnd).toString('utf8');
  const disposition = /^content-disposition:\s*form-data\s*(;.*)$/im.exec(headers)?.[1];
  const name = /;\s*name="([^"]*)"/i.exec(disposition ?? '')?.[1];
  if (name === undefined) return null;
  const filename = /;\s*filename="([^"]*)"/i.exec(disposition ?? '')?.[1] ?? null;
  return { name, filename, bytes: part.subarray(headersEnd + 4) };
}
