import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { endOfWait } from './end-of-wait.ts';

const hour = 3_600_000;

it('a wait ends with the first signal that fires, or has fired before', () => {
  const [gone, stopping] = [new AbortController(), new AbortController()];
  using end = endOfWait(hour, [gone.signal, stopping.signal]);
  expect(end.signal.aborted).toBe(false);
  stopping.abort();
  expect(end.signal.aborted).toBe(true);
  using late = endOfWait(hour, [gone.signal, stopping.signal]);
  expect(late.signal.aborted).toBe(true);
});

it('a wait ends when its time is up', async () => {
  using end = endOfWait(1, []);
  await new Promise((resolve) => end.signal.addEventListener('abort', resolve));
});

it('a wait that is over leaves no listener behind', () => {
  const stopping = new AbortController();
  endOfWait(hour, [stopping.signal])[Symbol.dispose]();
  expect(getEventListeners(stopping.signal, 'abort')).toEqual([]);
});
