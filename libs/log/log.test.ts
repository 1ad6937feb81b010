import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const logFile = join(import.meta.dirname, 'log.ts');

/** What a process prints that logs this, however it ends. */
async function printed(expression: string, level = 'info'): Promise<Record<string, unknown>[]> {
  const program = `import { createLog } from ${JSON.stringify(logFile)};
const log = createLog('api', '${level}');
${expression}`;
  const args = ['--input-type=module', '-e', program];
  const { stdout } = await promisify(execFile)(process.execPath, args).catch(
    (failed: { stdout: string }) => failed,
  );
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

it('a line carries the fields of the list and drops every other, so that no secret slips in', async () => {
  const [line] = await printed(`log.info({ jobId: 'j', token: 'secret', text: 'secret' }, 'Done');`);
  expect(line).toEqual({ level: 'info', time: expect.any(String), name: 'api', jobId: 'j', msg: 'Done' });
});

it('an error is told with its name, its causes and its stack, and addresses lose query and password', async () => {
  const [line] = await printed(`
const cause = new RangeError('at redis://:secret@host:6379 and https://x.test/callback?code=secret');
log.warn({ err: new TypeError('went wrong', { cause }) }, 'Failed');`);
  expect(line).toMatchObject({
    level: 'warn',
    err: {
      type: 'TypeError',
      message: 'went wrong',
      stack: expect.stringContaining('TypeError: went wrong'),
      cause: { type: 'RangeError', message: 'at redis://host:6379 and https://x.test/callback' },
    },
  });
  expect(JSON.stringify(line)).not.toContain('secret');
});

it('below its level nothing is printed', async () => {
  expect(await printed(`log.info({}, 'Hello'); log.error({}, 'Help');`, 'error')).toMatchObject([
    { msg: 'Help' },
  ]);
});

it.each([
  '',
  'process.exit(1)',
  "throw new Error('a bug')",
  "setTimeout(() => Promise.reject(new Error('a bug')))",
])('what was told before an end is printed, at once or just after other lines: %s', async (end) => {
  const later = `log.info({}, 'Three'); ${end};`;
  const lines = await printed(
    `log.info({}, 'One'); log.info({}, 'Two'); setImmediate(() => setImmediate(() => { ${later} }));`,
  );
  expect(lines.map(({ msg }) => msg)).toEqual(['One', 'Two', 'Three']);
});

it('a process goes on when whoever read its log has ended', async () => {
  const program = `import { createLog } from ${JSON.stringify(logFile)};
const log = createLog('api', 'info');
process.on('message', () => { log.info({}, 'Unheard'); setTimeout(() => process.send('alive'), 100); });
log.info({}, 'Ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  try {
    await once(child.stdout as Readable, 'data');
    child.stdout?.destroy();
    for (let times = 0; times < 3; times++) {
      child.send('Log something');
      const answer = once(child, 'message', { signal: AbortSignal.timeout(30_000) });
      expect((await answer)[0]).toBe('alive');
    }
  } finally {
    child.kill('SIGKILL');
  }
});
