import { expect, it } from 'vitest';
import { localUrl } from './local-url.ts';

it('the server of this machine is looked for at the PORT that is set, else at the usual one', () => {
  expect(localUrl({ PORT: '8080' })).toBe('http://localhost:8080');
  for (const PORT of [undefined, '', '0', 'http']) expect(localUrl({ PORT })).toBe('http://localhost:5000');
});
