import { setTimeout as pass } from 'node:timers/promises';
import sharp from 'sharp';
import { noise } from '#libs/media/test-pictures.ts';
import type { MediaHost } from '../../test/media-host.ts';

/** Media that is fine; `/large.png` takes several segments, `/moving.gif` is processed by X. */
export const goodMedia = ['/0.png', '/1.png', '/large.png', '/unsteady.png'] as const;
export const movingMedia = '/moving.gif';
/** Media that no post can have: its job must fail, and nothing of it may be on X. */
export const badMedia = [
  '/gone.png',
  '/loop.png',
  '/packed.png',
  '/page.png',
  '/torn.png',
  '/broken.png',
] as const;

/** Fills a media host with all of them. */
export async function fillMediaHost(host: MediaHost): Promise<void> {
  const picture = await drawPicture('#223344');
  host.files.set('/0.png', picture);
  host.files.set('/1.png', await drawPicture('#ffcc00'));
  host.files.set('/large.png', await noise(1100, 900).png().toBuffer());
  host.files.set('/moving.gif', await drawMovingPicture());
  host.files.set('/page.png', Buffer.from('<html><body>No picture here</body></html>'));
  host.files.set('/broken.png', picture.subarray(0, picture.length / 2));
  let asked = 0;
  host.pages.set('/unsteady.png', async (_, response) => {
    asked += 1;
    if (asked % 3 === 1) return void response.writeHead(503).end();
    response.writeHead(200, { 'content-length': picture.length }).write(picture.subarray(0, 100));
    await pass(300);
    if (asked % 3 === 2) return void response.destroy();
    response.end(picture.subarray(100));
  });
  host.pages.set('/loop.png', (_, response) => {
    response.writeHead(302, { location: '/loop.png' }).end();
  });
  host.pages.set('/packed.png', (_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(picture);
  });
  host.pages.set('/torn.png', (_, response) => {
    response
      .writeHead(200, { 'content-length': 2 * picture.length })
      .write(picture, () => response.destroy());
  });
}

const drawPicture = (background: string) =>
  sharp({ create: { width: 200, height: 120, channels: 3, background } })
    .png()
    .toBuffer();

async function drawMovingPicture(): Promise<Buffer> {
  const frames = await Promise.all(['#ff0000', '#0000ff'].map(drawPicture));
  return await sharp(frames, { join: { animated: true } })
    .gif({ delay: [200, 200] })
    .toBuffer();
}
