import { expect, it } from 'vitest';
import { greeting } from './messages.ts';

const running = { apiUrl: 'http://localhost:5000', simulatorUrl: 'http://localhost:5001' };
const greet = (rest: boolean, mcp: boolean) => greeting(running, { doors: { rest, mcp }, durationMs: 1000 });

it('the greeting shows both front doors, and what to type first', () => {
  expect(greet(true, true)).toMatch(/openapi\.json[\s\S]*\/mcp[\s\S]*npm run demo[\s\S]*\/postTweet/);
});

it('the greeting leads to no front door that is closed', () => {
  expect(greet(false, true)).toContain('http://localhost:5000/mcp');
  expect(greet(false, true)).not.toMatch(/openapi|postTweet|demo|GPT|oauth\/token/);
  expect(greet(true, false)).not.toContain('/mcp');
});
