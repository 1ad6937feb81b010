import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectServer } from '#apps/demo/server.ts';
import { signIn } from '#apps/demo/sign-in.ts';
import { type NpmStart, runNpm } from './npm-start.ts';

describe('npm start', () => {
  let dataDir: string;
  const running: NpmStart[] = [];
  const start = (variables: Readonly<Record<string, string>> = {}): NpmStart => {
    const started = runNpm(['start'], { PORT: '0', DATA_DIR: dataDir, ...variables });
    running.push(started);
    return started;
  };
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'post-to-x-start-'));
  });
  afterEach(async () => {
    for (const one of running) one.process.kill('SIGTERM');
    for (const one of running.splice(0)) await one.ended;
  });
  afterAll(async () => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }));

  it('brings everything up, survives being killed, and keeps what was accepted until the next start', async () => {
    const first = start({ ACCESS_TOKEN: 'of-old' });
    const url = await first.ready;
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(first.output()).toMatch(/simulator \| .*\n/);
    expect(first.output().match(/ACCESS_TOKEN .*ignored/g)).toHaveLength(1);
    const { token, username } = await signIn(url);
    const server = connectServer(url, token);
    const { job_id: jobId } = await server.post({ text: 'Hello', request_id: 'one' });
    let last = '';
    for await (const job of server.follow(jobId)) last = job.status;
    expect(last).toBe('published');

    // Where the second one is asked to use the same folder, it says so and touches nothing.
    const rival = start();
    expect(await rival.ended).toEqual({ code: 1, signal: null });
    expect(rival.output()).toMatch(/Another `npm start` \(process \d+\) already runs on .*DATA_DIR/);

    first.process.kill('SIGKILL');
    await first.ended;
    const second = start();
    const again = connectServer(await second.ready, token);
    const replayed = await again.post({ text: 'Hello', request_id: 'one' });
    expect(replayed).toMatchObject({ job_id: jobId, status: 'published', replayed: true });
    expect(replayed.tweet_url).toContain(username);

    second.process.kill('SIGTERM');
    expect(await second.ended).toEqual({ code: 0, signal: null });
    expect(second.output()).toMatch(/Stopped\. Everything that was accepted is kept\.\s*$/);
  });

  it('what was accepted goes on after Ctrl-C and after being killed, also where X is simulated', async () => {
    const folder = await mkdtemp(join(dataDir, 'own-'));
    const schedule = async (url: string, token: string, text: string): Promise<string> => {
      const publishAt = new Date(Date.now() + 4000).toISOString();
      const answer = await fetch(`${url}/postTweet`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ text, publish_at: publishAt }),
      });
      expect(answer.status).toBe(202);
      return JSON.parse(await answer.text()).job_id;
    };
    const publishes = async (url: string, token: string, jobId: string) => {
      let last = '';
      for await (const job of connectServer(url, token).follow(jobId)) last = `${job.status}: ${job.message}`;
      expect(last).toMatch(/^published: /);
    };

    const first = start({ DATA_DIR: folder });
    const { token } = await signIn(await first.ready);
    const early = await schedule(await first.ready, token, 'Before Ctrl-C');
    first.process.kill('SIGINT');
    expect((await first.ended).code).toBe(0);

    const second = start({ DATA_DIR: folder });
    await publishes(await second.ready, token, early);
    const late = await schedule(await second.ready, token, 'Before being killed');
    second.process.kill('SIGKILL');
    await second.ended;

    const third = start({ DATA_DIR: folder });
    const url = await third.ready;
    await publishes(url, token, late);
    const me = await fetch(`${url}/me`, { headers: { authorization: `Bearer ${token}` } });
    expect(await me.json()).toMatchObject({ connected: true });
    const timeline = await (await fetch(/What X shows +(\S+)/.exec(third.output())?.[1] ?? '')).text();
    for (const text of ['Before Ctrl-C', 'Before being killed']) expect(timeline.split(text)).toHaveLength(2);
  });

  it('names every wrong setting, one on each line, and ends', async () => {
    const { ended, output } = start({ PORT: 'http', RESEND_POLICY: 'maybe' });
    expect((await ended).code).toBe(1);
    expect(output()).toMatch(/^PORT: must be/m);
    expect(output()).toMatch(/^RESEND_POLICY: must be/m);
  });

  it('a tour shows a newcomer a text, a picture and four pictures on the simulated X', async () => {
    const url = await start().ready;
    const demo = runNpm(['run', 'demo', '--', '--url', url], {});
    running.push(demo);
    expect(await demo.ended, demo.output()).toEqual({ code: 0, signal: null });
    expect(demo.output().match(/published {2}https:\/\/x\.com\/\S+\/status\/\d+/g)).toHaveLength(3);
    expect(demo.output()).toContain('one post');
    const timeline = await (await fetch(/to be seen at (\S+)/.exec(demo.output())?.[1] ?? '')).text();
    expect(timeline.match(/<img /g)).toHaveLength(5);
  });
});
