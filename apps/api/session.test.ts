import { expect, it } from 'vitest';
import { z } from 'zod';
import { locationOf, TestBrowser } from './sign-in/test-browser.ts';
import { decideAtX } from './sign-in/test-flows.ts';
import { startWorld } from './sign-in/test-world.ts';

it('under https the session lives in a cookie that no other host can plant and no plain connection carries', async () => {
  await using world = await startWorld({ publicUrl: 'https://posts.example.org' });
  const browser = new TestBrowser();
  const atX = locationOf(await browser.get(`${world.origin}/startAuth`));
  const end = await browser.get(world.local(await decideAtX(atX)));
  const lines = end.headers.getSetCookie().filter((line) => line.includes('post-to-x-user'));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^__Host-post-to-x-user=[\w-]{43}; path=\/; .*samesite=lax; secure; httponly$/i);
});

it('a program that signs in gets tokens and no session', async () => {
  await using world = await startWorld();
  const program = new TestBrowser('application/json');
  const answer = await program.get(`${world.origin}/startAuth`);
  const begun = z.object({ authorization_url: z.string() }).parse(await answer.json());
  const end = await program.get(world.local(await decideAtX(begun.authorization_url)));
  expect(await end.json()).toHaveProperty('access_token');
  expect(end.headers.getSetCookie().join()).not.toContain('post-to-x-user');
});
