import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { usualServer } from './usual-server.ts';

it('the server of this machine is looked for at the PORT that it was given, else at the usual one', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'client-'));
  const file = join(folder.path, '.env');
  for (const PORT of [undefined, '', '0', 'http'])
    expect(usualServer({ PORT }, file)).toBe('http://localhost:5000');
  await writeFile(file, 'PORT=6000\n');
  expect(usualServer({}, file)).toBe('http://localhost:6000');
  expect(usualServer({ PORT: '8080' }, file)).toBe('http://localhost:8080');
});
