import { expect, it } from 'vitest';
import { formatTraceparent, parseTraceparent } from './traceparent.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

it('a traceparent is read and written as W3C Trace Context has it', () => {
  for (const isSampled of [true, false]) {
    const parent = { traceId, spanId, isSampled };
    expect(parseTraceparent(formatTraceparent(parent))).toEqual(parent);
  }
  expect(formatTraceparent({ traceId, spanId, isSampled: true })).toBe(`00-${traceId}-${spanId}-01`);
});

it('of a later version, and with flags that nobody knows yet, what is known is read', () => {
  expect(parseTraceparent(`cc-${traceId}-${spanId}-03-more`)).toEqual({ traceId, spanId, isSampled: true });
  expect(parseTraceparent(`00-${traceId}-${spanId}-fe`)?.isSampled).toBe(false);
});

it('whatever is none is none', () => {
  const zeros = '0'.repeat(32);
  for (const text of [
    ...['', 'traceparent', `00-${traceId}-${spanId}`, `00-${traceId}-${spanId}-01-more`],
    ...[`ff-${traceId}-${spanId}-01`, `00-${zeros}-${spanId}-01`, `00-${traceId}-${zeros.slice(16)}-01`],
    ...[`00-${traceId.toUpperCase()}-${spanId}-01`, `00-${traceId}-${spanId}-01\n`],
  ])
    expect(parseTraceparent(text), text).toBeNull();
});
