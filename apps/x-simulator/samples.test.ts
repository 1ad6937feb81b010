import sharp from 'sharp';
import { expect, it } from 'vitest';
import { startSimulator } from './simulator.ts';

it('four different pictures are there to try posts with', async () => {
  await using simulator = await startSimulator();
  const seen = new Set<string>();
  for (const number of [1, 2, 3, 4]) {
    const answer = await fetch(`${simulator.url}/samples/${number}.jpg`);
    expect(answer.headers.get('content-type')).toBe('image/jpeg');
    const bytes = Buffer.from(await answer.arrayBuffer());
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'jpeg', width: 1600, height: 1000 });
    seen.add(bytes.toString('base64'));
  }
  expect(seen.size).toBe(4);
  expect((await fetch(`${simulator.url}/samples/5.jpg`)).status).toBe(404);
});
