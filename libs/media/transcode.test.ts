import { chmod, mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultFfmpeg, transcode } from './transcode.ts';

const secret = 'do-not-tell-0123456789';

/** Runs with a secret in the environment of this process. */
async function withSecret<T>(act: () => Promise<T>): Promise<T> {
  process.env.CANARY_SECRET = secret;
  try {
    return await act();
  } finally {
    delete process.env.CANARY_SECRET;
  }
}

describe('ffmpeg', () => {
  it('has nothing of our environment but where programs are', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'transcode-'));
    const [command, file, seen] = ['ffmpeg', 'file', 'seen'].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(command, `#!/bin/sh\nenv > '${seen}'\nexit 1\n`);
    await chmod(command, 0o755);
    await writeFile(file, 'a video');
    const plan = { act: 'transcode', reasons: [], video: null, audio: 'none', maxBitRate: 1 } as const;
    const ffmpeg = { ...defaultFfmpeg, command };
    const transcoding = withSecret(() =>
      transcode({ file, format: 'mp4', durationMs: 1, output: join(folder.path, 'out'), plan, ffmpeg }),
    );
    await expect(transcoding).rejects.toMatchObject({ code: 'media_broken' });
    const names = (await readFile(seen, 'utf8')).split('\n').map((line) => line.split('=')[0]);
    // The shell adds the rest.
    expect(names.filter((name) => !['PWD', 'SHLVL', '_', ''].includes(name ?? '')).sort()).toEqual([
      'LANG',
      'PATH',
    ]);
  });

  it('is looked for where the search path says, and only there', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'transcode-'));
    const output = join(folder.path, 'out');
    const command = join(folder.path, 'convert-it');
    await writeFile(command, '#!/bin/sh\nexit 0\n');
    await chmod(command, 0o755);
    const plan = { act: 'transcode', reasons: [], video: null, audio: 'none', maxBitRate: 1 } as const;
    const run = (searchPath: string) =>
      transcode({
        ...{ file: command, format: 'mp4', durationMs: 1, output, plan },
        ffmpeg: { ...defaultFfmpeg, command: 'convert-it', searchPath },
      });
    await expect(run(folder.path)).resolves.toBeUndefined();
    await expect(run('/usr/bin:/bin')).rejects.toThrow('ffmpeg is not installed');
  });
});
