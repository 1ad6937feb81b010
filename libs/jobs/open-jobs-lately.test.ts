import { expect, it } from 'vitest';
import { createOpenJobsLately } from './open-jobs-lately.ts';

it('what was told five seconds ago no longer counts, as those posts may have ended', () => {
  let now = 0;
  const lately = createOpenJobsLately(() => now);
  lately.sending('7');
  lately.sent('7', 300);
  now = 4999;
  expect(lately.sending('7')).toBe(300);
  lately.sent('7', null);
  now = 5000;
  expect(lately.sending('7')).toBe(0);
});

it('of very many accounts those are forgotten that no longer count', () => {
  let now = 0;
  const lately = createOpenJobsLately(() => now);
  for (let account = 0; account < 1000; account++) {
    lately.sending(String(account));
    lately.sent(String(account), 5);
  }
  lately.sending('0');
  now = 5000;
  lately.sending('new');
  // It was on its way all the time.
  expect(lately.sending('0')).toBe(1);
});
