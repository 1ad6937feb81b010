import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../test/eventually.ts';
import { hasFfmpeg, needsFfmpeg, video } from './test-videos.ts';
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

const plan = {
  act: 'transcode',
  reasons: [],
  video: null,
  audio: 'none',
  maxBitRate: 1,
  cutMs: null,
  streams: ['v:0'],
} as const;

/** Converts with a shell script in ffmpeg's place. */
async function convertWith(folder: string, script: string, signal?: AbortSignal): Promise<void> {
  const command = join(folder, 'ffmpeg');
  await writeFile(command, `#!/bin/sh\n${script}\n`);
  await chmod(command, 0o755);
  const files = { file: command, output: join(folder, 'out') };
  const ffmpeg = { ...defaultFfmpeg, command };
  await transcode({ ...files, format: 'mp4', durationMs: 1, plan, ffmpeg, ...(signal && { signal }) });
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

  it('that the system ends says nothing of the video', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'transcode-'));
    for (const script of ['kill -9 $$', 'kill $$', 'exit 255'])
      await expect(convertWith(folder.path, script)).rejects.toThrow('ended by somebody else');
  });

  it('can be ended although all around it was told to stop', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'transcode-'));
    const seen = join(folder.path, 'seen');
    const stop = new AbortController();
    // Its parent is the shell that watches it.
    const script = `kill $PPID; echo $$ > '${seen}.new'; mv '${seen}.new' '${seen}'; exec sleep 1000`;
    const failed = expect(convertWith(folder.path, script, stop.signal)).rejects.toThrow('no longer wanted');
    const pid = Number(await eventually(() => readFile(seen, 'utf8')));
    stop.abort(new Error('no longer wanted'));
    await failed;
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('is looked for where the search path says, and only there', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'transcode-'));
    const output = join(folder.path, 'out');
    const command = join(folder.path, 'convert-it');
    await writeFile(command, '#!/bin/sh\nexit 0\n');
    await chmod(command, 0o755);
    const run = (searchPath: string) =>
      transcode({
        ...{ file: command, format: 'mp4', durationMs: 1, output, plan },
        ffmpeg: { ...defaultFfmpeg, command: 'convert-it', searchPath },
      });
    await expect(run(folder.path)).resolves.toBeUndefined();
    await expect(run('/usr/bin:/bin')).rejects.toThrow('ffmpeg is not installed');
  });

  it('that cannot be started, since no more files may be opened, ends nothing but this one conversion', async () => {
    const plan = {
      ...{ act: 'transcode', reasons: [], video: null, audio: 'none', maxBitRate: 1, cutMs: null },
      streams: ['v:0'],
    };
    const options = { file: 'in', format: 'mp4', durationMs: 1, output: 'out', plan };
    const program = `
      import { openSync } from 'node:fs';
      import { setImmediate } from 'node:timers/promises';
      import { defaultFfmpeg, transcode } from ${JSON.stringify(new URL('./transcode.ts', import.meta.url))};
      try { for (;;) openSync('/dev/null'); } catch {}
      await transcode({ ...${JSON.stringify(options)}, ffmpeg: defaultFfmpeg }).catch(({ code }) => console.log(code));
      await setImmediate();
      console.log('goes on');`;
    const node = [process.execPath, '--input-type=module', '-e', program];
    const { stdout } = await promisify(execFile)('/bin/sh', [
      '-c',
      'ulimit -n 256; exec "$@"',
      'sh',
      ...node,
    ]);
    expect(stdout).toBe('EMFILE\ngoes on\n');
  });
});

describe.skipIf(!hasFfmpeg || process.platform !== 'linux')(`ffmpeg at work${needsFfmpeg}`, () => {
  /** The command lines of the processes that work on something in this folder. */
  async function workingOn(folder: string): Promise<string[]> {
    const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const lines = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')));
    return lines.filter((line) => line.includes('libx264') && line.includes(folder));
  }

  it('ends with the process that started it, however that one ends', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'transcode-'));
    const file = join(folder.path, 'a');
    await writeFile(file, video({ seconds: 60, sound: false }));
    // So large that it would take minutes.
    const plan = {
      ...{
        act: 'transcode',
        reasons: [],
        audio: 'none',
        maxBitRate: 8_000_000,
        cutMs: null,
        streams: ['v:0'],
      },
      video: { width: 3_840, height: 2_160, padded: null, framesPerSecond: null },
    };
    const options = { file, format: 'mp4', durationMs: 60_000, output: join(folder.path, 'out'), plan };
    const program = `
      import { defaultFfmpeg, transcode } from ${JSON.stringify(new URL('./transcode.ts', import.meta.url))};
      const onProgress = () => console.log('at it');
      await transcode({ ...${JSON.stringify(options)}, ffmpeg: defaultFfmpeg, onProgress });`;
    const worker = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(worker.stdout, 'data');
      expect(await workingOn(folder.path)).not.toEqual([]);
    } finally {
      worker.kill('SIGKILL');
    }
    await eventually(async () => expect(await workingOn(folder.path)).toEqual([]));
  });
});
