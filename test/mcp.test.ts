import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobView } from '#libs/jobs/job-view.ts';
import { type Agent, connectAgent, type Era } from './mcp-client.ts';
import { type System, startSystem } from './system.ts';

const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0;
if (!hasFfmpeg) process.stderr.write('ffmpeg is not installed: agents post no video here\n');

let system: System;
let url: URL;
beforeAll(async () => {
  system = await startSystem({ environment: { MCP_DYNAMIC_REGISTRATION: 'true' } });
  url = new URL(`/mcp`, system.url.replace('127.0.0.1', 'localhost'));
});
afterAll(() => system[Symbol.asyncDispose]());

const jobOf = (result: { structuredContent?: unknown }) => result.structuredContent as JobView;

const eras: [string, Era][] = [
  ['2026-07-28', { pin: '2026-07-28' }],
  ['the handshake of 2025', 'legacy'],
];

describe.each(eras)('an agent that knows only the URL, by %s', (_, era) => {
  let agent: Agent;
  beforeAll(async () => {
    agent = await connectAgent(url, { era });
  });
  afterAll(() => agent[Symbol.asyncDispose]());

  it('signs its user in and finds the tools', async () => {
    const { tools } = await agent.client.listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      'post_tweet',
      'get_job',
      'list_jobs',
      'cancel_job',
      'resolve_job',
      'validate_tweet',
      'delete_tweet',
      'get_account',
    ]);
  });

  it('posts a picture and hears how it goes', async () => {
    const picture = await sharp({ create: { width: 320, height: 200, channels: 3, background: '#0a0' } })
      .png()
      .toBuffer();
    system.mediaHost.files.set('/green.png', picture);
    const heard: number[] = [];
    const result = await agent.client.callTool(
      {
        name: 'post_tweet',
        arguments: {
          text: `A green one by ${JSON.stringify(era)}`,
          media_url: system.mediaHost.url('/green.png'),
          request_id: `green ${JSON.stringify(era)}`,
        },
      },
      { onprogress: ({ progress }) => heard.push(progress) },
    );
    const job = jobOf(result);
    expect(result.content).toEqual([{ type: 'text', text: expect.stringContaining(job.tweet_url ?? '?') }]);
    expect(job).toMatchObject({ status: 'published', media: [{ kind: 'image', status: 'ready' }] });
    expect(heard.length).toBeGreaterThan(0);
    expect(heard).toEqual(heard.toSorted((one, other) => one - other));
  });

  it.skipIf(!hasFfmpeg)('posts a video and asks until it is out', async () => {
    system.mediaHost.files.set('/clip.mp4', makeClip());
    const begun = await agent.client.callTool({
      name: 'post_tweet',
      arguments: {
        text: `A clip by ${JSON.stringify(era)}`,
        media_url: system.mediaHost.url('/clip.mp4'),
        wait_seconds: 0,
      },
    });
    let job = jobOf(begun);
    expect(job.status).not.toBe('published');
    while (job.next_check_seconds !== null)
      job = jobOf(await agent.client.callTool({ name: 'get_job', arguments: { job_id: job.job_id } }));
    expect(job).toMatchObject({ status: 'published', media: [{ kind: 'video', status: 'ready' }] });
    const [tweet] = system.simulator.state.tweets.visible(await accountId());
    expect(tweet).toMatchObject({ id: job.tweet_id, mediaIds: [expect.any(String)] });
  });

  async function accountId(): Promise<string> {
    const { structuredContent } = await agent.client.callTool({ name: 'get_account' });
    return (structuredContent as { id: string }).id;
  }
});

/** Two seconds as X takes them, with sound. */
function makeClip(): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'post-to-x-clip-'));
  try {
    const file = join(folder, 'clip.mp4');
    const picture = ['-f', 'lavfi', '-i', 'testsrc=size=320x180:rate=30:duration=2'];
    const sound = ['-f', 'lavfi', '-i', 'sine=frequency=440:duration=2'];
    const coding = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-c:a', 'aac', '-movflags', '+faststart'];
    execFileSync('ffmpeg', ['-v', 'error', ...picture, ...sound, ...coding, file]);
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
