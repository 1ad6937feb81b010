import type { RenderedGif } from './image-task.ts';

/** Scales an animated GIF. */
export interface GifRenderTask {
  readonly act: 'renderGif';
  readonly file: string;
  readonly format: 'gif';
  readonly maxPixels: number;
  readonly output: string;
}

/** Renders. */
export async function renderGif(_task: GifRenderTask): Promise<RenderedGif> {
  throw new Error('not yet');
}
