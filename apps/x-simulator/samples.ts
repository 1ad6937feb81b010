import Router from '@koa/router';
import sharp from 'sharp';

/** One scene for each hour: sky from, sky to, sun, hills. */
const scenes = [
  ['#ffb88c', '#de6262', '#fff1c9', '#5b2a3c'],
  ['#56ccf2', '#2f80ed', '#fffbe0', '#1d5b44'],
  ['#f7971e', '#ffd200', '#ffffff', '#7a4a1d'],
  ['#141e30', '#35577d', '#e8eef7', '#0b1320'],
] as const;

/**
 * Pictures to try posts with, drawn here so that no internet is needed: `/samples/1.jpg` to `/samples/4.jpg`,
 * 1600 by 1000 pixels.
 */
export function createSamples(): Router {
  const router = new Router();
  const drawn = new Map<number, Promise<Buffer>>();
  router.get('/samples/:number.jpg', async (context) => {
    const number = Number(context.params.number);
    const scene = scenes[number - 1];
    if (!scene) return;
    const picture = drawn.get(number) ?? draw(number, scene);
    drawn.set(number, picture);
    context.type = 'image/jpeg';
    context.body = await picture;
  });
  return router;
}

function draw(number: number, [skyTop, skyBottom, sun, hills]: (typeof scenes)[number]): Promise<Buffer> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="1600" height="1000">
<defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">
<stop offset="0" stop-color="${skyTop}"/><stop offset="1" stop-color="${skyBottom}"/></linearGradient></defs>
<rect width="1600" height="1000" fill="url(#sky)"/>
<circle cx="${300 * number}" cy="${420 - 60 * number}" r="110" fill="${sun}"/>
<path d="M0 760 Q 300 560 620 720 T 1200 680 T 1600 740 V1000 H0 Z" fill="${hills}" opacity="0.6"/>
<path d="M0 860 Q 420 700 800 850 T 1600 820 V1000 H0 Z" fill="${hills}"/>
</svg>`;
  return sharp(Buffer.from(svg)).jpeg({ quality: 85 }).toBuffer();
}
