import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/eventually.ts';
import { type Child, startChild } from './child.ts';

const listenAndStay = `
process.send({ type: 'listening', url: process.env.URL });
console.log('run ' + process.pid);
process.on('SIGTERM', () => { console.log('stopping'); process.exit(0); });
setInterval(() => {}, 1000);
`;

describe('a process of npm start', () => {
  let folder: string;
  let printed: string[];
  let said: string[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'post-to-x-child-'));
    printed = [];
    said = [];
  });
  afterEach(async () => rm(folder, { recursive: true }));

  async function start(source: string): Promise<Child> {
    const script = join(folder, 'main.ts');
    await writeFile(script, source);
    return startChild({
      name: 'test',
      script,
      flags: ['--max-semi-space-size=3'],
      environment: (url) => ({ URL: url ?? 'http://127.0.0.1:1' }),
      listens: true,
      print: (line) => printed.push(line),
      say: (line) => said.push(line),
    });
  }

  it('is started again after a crash, at the address that it had', async () => {
    await using child = await start(listenAndStay);
    expect(await child.listening).toBe('http://127.0.0.1:1');
    await eventually(() => expect(printed).toHaveLength(1));
    child.kill('SIGKILL');
    await eventually(() => expect(printed).toHaveLength(2));
    expect(printed[1]).not.toBe(printed[0]);
    expect(said).toEqual(['The test process was ended by SIGKILL: starting it again in 0.5 s.']);
  });

  it('has its flags', async () => {
    await using child = await start(`console.log(process.execArgv.join(' ')); ${listenAndStay}`);
    await child.listening;
    await eventually(() => expect(printed[0]).toContain('--max-semi-space-size=3 '));
  });

  it('is stopped by SIGTERM, and its last lines are still printed', async () => {
    const child = await start(listenAndStay);
    await child.listening;
    await eventually(() => expect(printed).toHaveLength(1));
    await child[Symbol.asyncDispose]();
    expect(printed.at(-1)).toBe('stopping');
    expect(said).toEqual([]);
  });

  it('that ends before it listens says so', async () => {
    await using child = await start(`console.error('PORT: is wrong'); process.exit(1);`);
    await expect(child.listening).rejects.toThrow(/test process ended with code 1 before it was ready/);
    expect(printed).toEqual(['PORT: is wrong']);
    expect(said).toEqual([]);
  });

  it('ends when npm start is killed', async () => {
    await writeFile(join(folder, 'main.ts'), listenAndStay);
    await writeFile(
      join(folder, 'parent.ts'),
      `const { startChild } = await import(${JSON.stringify(import.meta.resolve('./child.ts'))});
       const child = startChild({ name: 'test', script: ${JSON.stringify(join(folder, 'main.ts'))},
         environment: () => ({ URL: 'http://127.0.0.1:1' }), listens: true, print() {}, say() {} });
       await child.listening;
       process.send(child.pid);`,
    );
    const parent = fork(join(folder, 'parent.ts'), { execArgv: [] });
    const [pid] = await once(parent, 'message');
    parent.kill('SIGKILL');
    await eventually(() => expect(() => process.kill(pid, 0)).toThrow(/ESRCH/));
  });
});
