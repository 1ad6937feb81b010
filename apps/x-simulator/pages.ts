import { createReadStream } from 'node:fs';
import { PassThrough } from 'node:stream';
import Router from '@koa/router';
import type { Context } from 'koa';
import { pageHeaders } from './html.ts';
import { liveScript, style } from './page-assets.ts';
import { createSamples } from './samples.ts';
import type { State } from './state.ts';
import { renderTimeline } from './timeline-page.ts';

/** What a person looks at: the timeline with its media, kept up to date. */
export function createPages(state: State): Router {
  const router = new Router();
  router.get('/', (context) => {
    context.set(pageHeaders);
    context.body = renderTimeline(state);
  });
  router.get('/_simulator/style.css', (context) => asset(context, 'text/css', style));
  router.get('/_simulator/live.js', (context) => asset(context, 'text/javascript', liveScript));
  router.get('/_simulator/events', (context) => streamEvents(state, context));
  router.get('/media/:id', (context) => sendMedia(state, context, context.params.id ?? ''));
  router.get('/:username/status/:id', (context) => {
    const tweet = state.tweets.find(context.params.id ?? '');
    if (tweet) context.redirect(`/#post-${tweet.id}`);
  });
  router.use(createSamples().routes());
  return router;
}

function asset(context: Context, type: string, text: string): void {
  context.set({ 'content-type': `${type}; charset=utf-8`, 'x-content-type-options': 'nosniff' });
  context.body = text;
}

/** Server-sent events: one line whenever the page would look different. */
function streamEvents(state: State, context: Context): void {
  const stream = new PassThrough();
  context.set({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  context.body = stream;
  stream.write('retry: 1000\n\n');
  const stop = [state.tweets, state.media.uploads].map((ledger) =>
    ledger.watch(() => stream.write('data: changed\n\n')),
  );
  context.res.once('close', () => {
    for (const unwatch of stop) unwatch();
    stream.end();
  });
}

/** The bytes of an upload as they came, whole or the range a player asks for. */
function sendMedia(state: State, context: Context, id: string): void {
  const media = state.media.get(id);
  if (media?.sha256 == null) return;
  context.set({
    'content-type': media.sniffed?.mediaType ?? 'application/octet-stream',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
    'accept-ranges': 'bytes',
  });
  const size = media.totalBytes;
  const range = /^bytes=(\d+)-(\d*)$/.exec(context.get('range'));
  const start = Number(range?.[1] ?? 0);
  const end = Math.min(Number(range?.[2] || size - 1), size - 1);
  if (start > end) {
    context.set('content-range', `bytes */${size}`);
    context.status = 416;
    return;
  }
  context.status = range ? 206 : 200;
  if (range) context.set('content-range', `bytes ${start}-${end}/${size}`);
  context.length = end - start + 1;
  context.body = createReadStream(media.path, { start, end });
}
