import { readJsonObject } from './body.ts';
import { prices } from './credits.ts';
import type { UserCall, UserEndpoint } from './endpoints.ts';
import { readOneShot, readSegment } from './media-body.ts';
import { checkCategory, InitializeRequest, MetadataRequest, OneShotRequest } from './media-rules.ts';
import type { Media } from './media-store.ts';
import { judgeMedia } from './media-verdict.ts';
import { renderMedia } from './media-view.ts';
import { invalidRequest, mediaNotFound, Refusal, type Reply } from './refusals.ts';
import { parseRequest } from './schema.ts';
import { recognise } from './sniff.ts';
import type { State } from './state.ts';

/** `/2/media/…` (x-api/media): chunked and one-shot upload, status, alt text. */
export function createMediaEndpoints(state: State): readonly UserEndpoint[] {
  const scopes = ['media.write'];
  // A segment in base64 is a third longer than its bytes; the rest is for names and quotes around it.
  const maxSegmentBody = () => Math.ceil(state.settings.maxSegmentBytes * 1.4) + 4_096;
  const maxImageBody = () => Math.ceil(state.settings.maxImageBytes * 1.4) + 4_096;
  const endpoint = (
    key: string,
    handle: (state: State, call: UserCall) => Reply | Promise<Reply>,
    maxBodyBytes?: () => number,
  ): UserEndpoint => ({
    key,
    scopes,
    handle: (call) => handle(state, call),
    ...(maxBodyBytes ? { maxBodyBytes } : {}),
  });
  return [
    endpoint('POST /2/media/upload/initialize', initialize),
    endpoint('POST /2/media/upload/:id/append', append, maxSegmentBody),
    endpoint('POST /2/media/upload/:id/finalize', finalize),
    endpoint('GET /2/media/upload', readStatus),
    endpoint('POST /2/media/upload', uploadAtOnce, maxImageBody),
    endpoint('POST /2/media/metadata', setMetadata),
  ];
}

async function initialize(state: State, call: UserCall): Promise<Reply> {
  state.credits.charge(call.clientId, 0);
  const request = parseRequest(InitializeRequest, readJsonObject(call));
  checkCategory(state.settings, request.media_category, request.media_type, request.total_bytes);
  const media = await state.media.create({
    ownerId: call.user.id,
    additionalOwners: request.additional_owners ?? [],
    mediaType: request.media_type,
    category: request.media_category,
    totalBytes: request.total_bytes,
  });
  const { initializeMediaKey, initializeStatus, mediaSeconds } = state.settings;
  const key = initializeMediaKey ? { media_key: media.mediaKey } : {};
  return {
    status: initializeStatus,
    body: { data: { id: media.id, ...key, expires_after_secs: mediaSeconds } },
  };
}

async function append(state: State, call: UserCall): Promise<Reply> {
  const { maxSegmentBytes, segmentsInOrder, appendStatus } = state.settings;
  const media = ownMedia(state, call, call.parameters.id);
  const { index, bytes } = readSegment(call, state.settings);
  if (bytes.length > maxSegmentBytes) throw new Refusal({ status: 413 });
  if (media.phase !== 'receiving') throw invalidRequest('The media upload is already finalized.');
  if (segmentsInOrder && index > media.segments.length)
    throw invalidRequest(`Segments must come in order: ${media.segments.length} is next.`);
  await state.media.writeSegment(media, index, bytes);
  if (appendStatus === 204) return { status: 204 };
  return { status: 200, body: { data: { expires_at: Math.floor(media.expiresAt / 1000) } } };
}

async function finalize(state: State, call: UserCall): Promise<Reply> {
  state.credits.charge(call.clientId, 0);
  if (call.body.length > 0 && Object.keys(readJsonObject(call)).length > 0)
    throw invalidRequest('FINALIZE takes no fields.');
  if (call.body.length === 0 && state.settings.refuseEmptyFinalize)
    throw invalidRequest('Request body is not valid JSON.');
  const media = ownMedia(state, call, call.parameters.id);
  if (media.phase === 'receiving') {
    if (!state.media.isComplete(media))
      throw invalidRequest('Segments do not add up to provided total file size');
    media.accepting ??= accept(state, media).finally(() => {
      media.accepting = null;
    });
    await media.accepting;
  }
  return { status: 200, body: { data: renderMedia(state, media) } };
}

/** Judges the assembled bytes and starts the processing, if the category has one. */
async function accept(state: State, media: Media): Promise<void> {
  const { now, mediaSeconds, processing } = state.settings;
  await state.media.assemble(media);
  const fault = await judgeMedia(state.settings, media);
  if (fault === 'unrecognized') {
    const headers = { 'content-type': 'text/plain' };
    throw new Refusal({ status: 400, body: 'media type unrecognized', headers });
  }
  media.expiresAt = now() + mediaSeconds * 1000;
  media.isProcessed = /(video|gif)$/.test(media.category) && processing.polls > 0;
  if (fault) fail(media, fault);
  else if (media.isProcessed) {
    media.phase = 'pending';
    media.checkAgainAt = now() + (processing.checkAfterSecs ?? 0) * 1000;
  } else {
    media.phase = 'succeeded';
    media.readyAt = now();
  }
  state.media.uploads.changed(media);
}

function fail(media: Media, error: Media['error']): void {
  media.isProcessed = true;
  media.phase = 'failed';
  media.error = error;
}

function readStatus(state: State, call: UserCall): Reply {
  const command = call.query.get('command');
  if (command !== null && command !== 'STATUS')
    throw invalidRequest(`The \`command\` query parameter value [${command}] is not one of [STATUS]`);
  const media = ownMedia(state, call, call.query.get('media_id') ?? undefined);
  if (!media.isProcessed) throw mediaNotFound();
  const { now, processing } = state.settings;
  if (media.phase === 'pending' || media.phase === 'in_progress') {
    media.polls += 1;
    if (now() < media.checkAgainAt) media.earlyPolls += 1;
    media.checkAgainAt = now() + (processing.checkAfterSecs ?? 0) * 1000;
    if (media.polls < processing.polls) media.phase = 'in_progress';
    else if (processing.outcome === 'failed') fail(media, processing.error);
    else {
      media.phase = 'succeeded';
      media.readyAt = now();
    }
    state.media.uploads.changed(media);
  }
  return { status: 200, body: { data: renderMedia(state, media) } };
}

async function uploadAtOnce(state: State, call: UserCall): Promise<Reply> {
  state.credits.charge(call.clientId, 0);
  const { fields, bytes } = readOneShot(call);
  const request = parseRequest(OneShotRequest, fields);
  if (bytes.length > state.settings.maxImageBytes) throw new Refusal({ status: 413 });
  const media = await state.media.create({
    ownerId: call.user.id,
    additionalOwners: request.additional_owners ?? [],
    mediaType: request.media_type ?? recognise(bytes) ?? 'application/octet-stream',
    category: request.media_category,
    totalBytes: bytes.length,
  });
  await state.media.writeSegment(media, 0, bytes);
  await accept(state, media);
  return { status: 200, body: { data: renderMedia(state, media) } };
}

function setMetadata(state: State, call: UserCall): Reply {
  const { id, metadata } = parseRequest(MetadataRequest, readJsonObject(call));
  const media = ownMedia(state, call, id);
  if (media.phase === 'receiving' || media.phase === 'failed') throw mediaNotFound();
  state.credits.charge(call.clientId, prices.altText);
  media.altText = metadata.alt_text?.text ?? media.altText;
  state.media.uploads.changed(media);
  return { status: 200, body: { data: { id, associated_metadata: metadata } } };
}

/** The upload of that id if it exists and is the caller's; X tells nobody about those of others. */
function ownMedia(state: State, call: UserCall, id: string | undefined): Media {
  const media = state.media.get(id ?? '');
  if (media?.ownerId !== call.user.id) throw mediaNotFound();
  return media;
}
