import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { ask, look, onePicture, type Rig, settled, startRig, until } from './faults/rig.ts';
import { type Session, startSystem, type TestProcess } from './system.ts';

/** Pictures that the media host gives out only when told to: who is being fetched, and who comes next. */
async function heldPictures(rig: Pick<Rig, 'mediaHost'>, count: number) {
  const picture = await onePicture();
  const held: { name: string; response: ServerResponse }[] = [];
  let heard = Promise.withResolvers<void>();
  const names = Array.from({ length: count }, (_, index) => `/held-${index}.png`);
  for (const name of names)
    rig.mediaHost.pages.set(name, (_request, response) => {
      held.push({ name, response });
      heard.resolve();
    });
  return {
    names,
    held,
    /** Resolves to the names asked for so far, once there are so many. */
    async asked(howMany: number): Promise<string[]> {
      while (held.length < howMany) {
        heard = Promise.withResolvers();
        await heard.promise;
      }
      return held.map(({ name }) => name);
    },
    give(name: string) {
      for (const { response } of held.filter((one) => one.name === name)) response.end(picture);
    },
    /** From now on whoever asks gets what it asks for. */
    giveAll() {
      for (const name of names) {
        rig.mediaHost.pages.delete(name);
        rig.mediaHost.files.set(name, picture);
        this.give(name);
      }
    },
    async [Symbol.asyncDispose]() {
      for (const { response } of held) response.destroy();
    },
  };
}

/** A file of a conversation, as ChatGPT hands it over. */
const conversationFile = (link: string) => ({
  id: link,
  name: 'a.png',
  mime_type: 'image/png',
  download_link: link,
});

/** Sends a picture of the caller's own and answers its id: nobody has to fetch it. */
async function upload({ url }: Pick<Rig, 'url'>, { accessToken }: Session): Promise<string> {
  const body = new FormData();
  body.append('media', new Blob([Uint8Array.from(await onePicture('#aa0000'))]), 'a.png');
  const headers = { authorization: `Bearer ${accessToken}` };
  const answer = await fetch(`${url}/media`, { method: 'POST', headers, body });
  return ((await answer.json()) as { media_id: string }).media_id;
}

describe.concurrent('an account with many posts with media', () => {
  it('has the media of two in work, the next when one is through, and holds nobody else up', async () => {
    // Whoever is not called asks again after a minute.
    const slowly = { lockMs: 60_000, stalledEveryMs: 60_000, sweepEveryMs: 60_000 };
    await using rig = await startSystem({ workers: 2, timings: slowly });
    const [busy, other] = [await rig.connect('sandbox_ada'), await rig.connect('sandbox_ben')];
    await using pictures = await heldPictures(rig, 4);
    const asked = [];
    for (const [index, name] of pictures.names.entries()) {
      asked.push(await ask(busy, { media_url: rig.mediaHost.url(name) }));
      // Until the first two have their places: of two workers the later one may be quicker.
      if (index === 1) expect((await pictures.asked(2)).sort()).toEqual(pictures.names.slice(0, 2));
    }
    rig.mediaHost.files.set('/free.png', await onePicture());
    const free = await ask(other, { media_url: rig.mediaHost.url('/free.png') });
    expect(await other.ended(free.jobId)).toMatchObject({ status: 'published' });
    expect(pictures.held).toHaveLength(2);
    for (const [turn, name] of pictures.names.entries()) {
      const begunAt = performance.now();
      pictures.give(name);
      const known = await pictures.asked(Math.min(4, turn + 3));
      expect(known.slice(2)).toEqual(pictures.names.slice(2, turn + 3));
      // Fetching, preparing and uploading a small picture, and no waiting for a clock.
      expect(performance.now() - begunAt).toBeLessThan(20_000);
    }
    for (const { jobId } of asked) expect(await busy.ended(jobId)).toMatchObject({ status: 'published' });
  });

  it('whose workers were killed in the middle gets its places back', async () => {
    await using rig = await startRig();
    const session = await rig.account();
    await using pictures = await heldPictures(rig, 3);
    let worker: TestProcess = await rig.worker();
    const asked = [];
    for (const name of pictures.names) asked.push(await ask(session, { media_url: rig.mediaHost.url(name) }));
    await pictures.asked(2);
    worker.kill('SIGKILL');
    await worker.exited;
    worker = await rig.worker();
    await using _second = worker;
    // The two that were cut off come again, and the third after one of them.
    const again = await pictures.asked(4);
    expect(again.slice(2).every((name) => pictures.names.includes(name))).toBe(true);
    const give = setInterval(() => pictures.names.forEach(pictures.give), 50);
    try {
      for (const one of asked) expect(await settled(rig, one)).toMatchObject({ status: 'published' });
    } finally {
      clearInterval(give);
    }
  });

  it('has a file of a conversation fetched at once: its link ends in minutes', async () => {
    await using rig = await startRig({ workers: 1 });
    const session = await rig.account();
    await using pictures = await heldPictures(rig, 3);
    const asked = [];
    for (const name of pictures.names.slice(0, 2))
      asked.push(await ask(session, { media_url: rig.mediaHost.url(name) }));
    await pictures.asked(2);
    const [, , link = ''] = pictures.names;
    const file = conversationFile(rig.mediaHost.url(link));
    const conversation = await ask(session, { openaiFileIdRefs: [file] });
    asked.push(conversation);
    expect((await pictures.asked(3))[2]).toBe(link);
    pictures.give(link);
    await until(rig, conversation, ({ media: [item] }) => item?.status === 'waiting' && item.bytes !== null);
    // Its link has ended by the time its turn comes.
    rig.mediaHost.pages.set(link, (_request, response) => response.writeHead(410).end());
    for (const name of pictures.names.slice(0, 2)) pictures.give(name);
    for (const one of asked) expect(await settled(rig, one)).toMatchObject({ status: 'published' });
    expect(rig.mediaHost.requests.filter((path) => path === link)).toHaveLength(1);
  });

  it('and slow files of conversations leaves half of a worker to others, whose pictures come through', async () => {
    await using rig = await startRig({ workers: 1 });
    const [busy, other] = [await rig.account(), await rig.account()];
    await using pictures = await heldPictures(rig, 8);
    const mediaId = await upload(rig, other);
    const files = pictures.names.map((name) => conversationFile(rig.mediaHost.url(name)));
    const asked = await Promise.all(files.map((file) => ask(busy, { openaiFileIdRefs: [file] })));
    await pictures.asked(4);
    const free = await ask(other, { media_ids: [mediaId] });
    expect(await settled(rig, free)).toMatchObject({ status: 'published' });
    expect(pictures.held).toHaveLength(4);
    pictures.giveAll();
    for (const one of asked) expect(await settled(rig, one)).toMatchObject({ status: 'published' });
  });

  it('and four slow pictures at a host leaves that host to others', async () => {
    await using rig = await startRig({ workers: 1 });
    const [busy, other] = [await rig.account(), await rig.account()];
    await using pictures = await heldPictures(rig, 4);
    rig.mediaHost.files.set('/free.png', await onePicture('#00aa00'));
    const slow = await ask(busy, { media_urls: pictures.names.map(rig.mediaHost.url) });
    await pictures.asked(4);
    const free = await ask(other, { media_url: rig.mediaHost.url('/free.png') });
    expect(await settled(rig, free)).toMatchObject({ status: 'published' });
    expect(await look(slow)).toMatchObject({ status: 'processing', stage: 'fetching' });
    pictures.giveAll();
    expect(await settled(rig, slow)).toMatchObject({ status: 'published' });
  });
});
