import { expect, it } from 'vitest';
import { readEvents } from './events.ts';

it('events are read whole, however the bytes arrive', async () => {
  const text =
    ': hello\n\nid: 1\nevent: job\ndata: {"a":"ä"}\n\nevent: other\ndata: no\n\nevent: job\ndata: 2\n\n';
  const bytes = new TextEncoder().encode(text);
  for (const size of [1, 7, bytes.length]) {
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size) parts.push(bytes.slice(at, at + size));
    const found: string[] = [];
    for await (const data of readEvents(ReadableStream.from(parts), 'job')) found.push(data);
    expect(found).toEqual(['{"a":"ä"}', '2']);
  }
});
