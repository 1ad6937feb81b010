import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withEnvFile } from './env-file.ts';

it('a variable of the process wins over the file, also when it is empty', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'post-to-x-env-'));
  try {
    const file = join(folder, '.env');
    await writeFile(file, '# a comment\nPORT=1\nHOST="0.0.0.0"\nCLIENT_ID=id\n');
    expect(withEnvFile({ PORT: '2', CLIENT_ID: '' }, file)).toEqual({
      PORT: '2',
      HOST: '0.0.0.0',
      CLIENT_ID: '',
    });
    expect(withEnvFile({ PORT: '2' }, join(folder, 'none'))).toEqual({ PORT: '2' });
    expect(() => withEnvFile({}, folder)).toThrow(/cannot be read/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
