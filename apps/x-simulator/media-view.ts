import type { Media } from './media-store.ts';
import type { State } from './state.ts';

/** An upload as FINALIZE, STATUS and the one-shot upload show it. */
export function renderMedia(state: State, media: Media): Record<string, unknown> {
  const { width, height } = media.sniffed ?? { width: null, height: null };
  const kind = media.mediaType.split('/')[0];
  return {
    id: media.id,
    media_key: media.mediaKey,
    size: media.totalBytes,
    expires_after_secs: Math.max(0, Math.round((media.expiresAt - state.settings.now()) / 1000)),
    ...(media.isProcessed ? { processing_info: renderProcessing(state, media) } : {}),
    ...(kind === 'image' && width !== null
      ? { image: { image_type: media.mediaType, w: width, h: height } }
      : {}),
    ...(kind === 'video' ? { video: { video_type: media.mediaType } } : {}),
  };
}

function renderProcessing(state: State, media: Media): Record<string, unknown> {
  const { checkAfterSecs, polls } = state.settings.processing;
  const isOver = media.phase === 'succeeded' || media.phase === 'failed';
  const percent = media.phase === 'succeeded' ? 100 : Math.floor((media.polls / Math.max(1, polls)) * 100);
  return {
    state: media.phase,
    ...(isOver || checkAfterSecs === null ? {} : { check_after_secs: checkAfterSecs }),
    ...(media.phase === 'pending' || media.phase === 'failed' ? {} : { progress_percent: percent }),
    ...(media.error ? { error: media.error } : {}),
  };
}

/** An upload as `includes.media` of a post shows it. */
export function renderPostedMedia(state: State, media: Media, fields: readonly string[], origin: string) {
  const isGif = media.category.endsWith('gif');
  const type = isGif ? 'animated_gif' : media.category.endsWith('video') ? 'video' : 'photo';
  const optional: Record<string, unknown> = {
    ...(type === 'photo' ? { url: `${origin}/media/${media.id}` } : {}),
    alt_text: media.altText ?? undefined,
    width: media.sniffed?.width ?? undefined,
    height: media.sniffed?.height ?? undefined,
    duration_ms: media.sniffed?.durationMs ?? undefined,
  };
  const chosen = Object.entries(optional).filter(
    ([name, value]) => fields.includes(name) && value !== undefined,
  );
  return { media_key: state.settings.postMediaKey(media.mediaKey), type, ...Object.fromEntries(chosen) };
}
