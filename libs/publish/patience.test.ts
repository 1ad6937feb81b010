import { expect, it } from 'vitest';
import { failingSince } from './patience.ts';

const [earlier, now] = [1_800_000_000_000, 1_800_009_000_000];

it('X being away and credits missing count together, from when the first of them began', () => {
  expect(failingSince({ waitReason: null, failingSince: null }, 'x_down', now)).toBe(now);
  expect(failingSince({ waitReason: 'x_down', failingSince: earlier }, 'credits', now)).toBe(earlier);
  expect(failingSince({ waitReason: 'limit', failingSince: earlier }, 'limit', now)).toBe(earlier);
});

it('hours of waiting for a limit, for room or for a media host do not use up the patience for X', () => {
  for (const waitReason of ['limit', 'storage', 'media_host'] as const)
    expect(failingSince({ waitReason, failingSince: earlier }, 'x_down', now)).toBe(now);
});

it('nor do they where a try that came to nothing lies between: a new hour begins with the new failure', () => {
  expect(failingSince({ waitReason: null, failingSince: earlier }, 'x_down', now)).toBe(now);
  expect(failingSince({ waitReason: null, failingSince: earlier }, 'credits', now)).toBe(now);
});
