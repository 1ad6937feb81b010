import { rm } from 'node:fs/promises';
import type { Context } from 'koa';
import { koaBody } from 'koa-body';
import type { UploadStore } from '#libs/jobs/upload-store.ts';
import { detectFormat } from '#libs/media/detect-format.ts';
import type { MediaStore } from '#libs/media/media-store.ts';
import { hasSecondFrame } from '#libs/media/second-frame.ts';
import { ProblemError } from '#libs/problem/problem.ts';
import { xLimits } from '#libs/x-api/limits.ts';
import type { Caller } from './sign-in/sign-in.ts';

const imageFormats: ReadonlySet<string> = new Set(['jpeg', 'png', 'avif']);

export type MediaUploads = ReturnType<typeof createMediaUploads>;

/** Files that callers upload, streamed to disk and kept for a day for the posts that name them. */
export function createMediaUploads({
  uploads,
  mediaStore,
}: {
  uploads: UploadStore;
  mediaStore: MediaStore;
}) {
  /** `POST /media`: one file. */
  async function receive(ctx: Context, caller: Caller) {
    const { file, isEmpty } = await receiveForm(ctx, caller.accountId, () => {});
    if (file) return file;
    if (isEmpty) throw refuseFile('The file in the field media is empty.', 'The file is empty.');
    throw refuseFile('The field media must hold one file.');
  }

  /** A form with its text fields and perhaps a file. `check` sees the fields before the file is kept, and may throw. */
  async function receiveForm(ctx: Context, accountId: string, check: (fields: FormFields) => void) {
    if (!ctx.is('multipart/form-data'))
      throw new ProblemError(
        'unsupported_media_type',
        'Send the file as multipart/form-data, in the field media.',
      );
    if (!['', 'identity'].includes(ctx.get('content-encoding').toLowerCase()))
      throw new ProblemError('unsupported_media_type', 'Send the form without compression.');
    // Boundaries and headers of a form are small.
    const announced = Number(ctx.get('content-length') || 0);
    if (announced > xLimits.video.maxBytes + 100_000) throw tooLarge();
    const mediaId = uploads.newId();
    const folder = await mediaStore.folder(mediaId);
    try {
      // Admitted before it is taken: a disk that fills up would stop everything else.
      using _room = await mediaStore.admit(announced);
      const { file, isEmpty, fields } = await parseForm(ctx, folder);
      check(fields);
      if (!file) {
        await rm(folder, { recursive: true, force: true });
        return { fields, file: null, isEmpty };
      }
      const kind = await kindOf(file.path);
      const expiresAt = await uploads.register(mediaId, {
        account: accountId,
        file: file.path,
        bytes: file.bytes,
        kind,
      });
      const kept = {
        media_id: mediaId,
        kind,
        bytes: file.bytes,
        expires_at: new Date(expiresAt).toISOString(),
      };
      return { fields, file: kept, isEmpty };
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  return { receive, receiveForm };
}

/** Codes of formidable's errors; their HTTP status is 413 for all three. */
const biggerThanTotalMaxFileSize = 1009;
const maxFilesExceeded = 1015;
const biggerThanMaxFileSize = 1016;

/** As the job will find it: what does not move is an image, and an animated WebP becomes a GIF. */
async function kindOf(path: string): Promise<'image' | 'gif' | 'video'> {
  const format = await detectFormat(path);
  if (format === 'gif' || format === 'webp') return (await hasSecondFrame(path, format)) ? 'gif' : 'image';
  return imageFormats.has(format) ? 'image' : 'video';
}

function refuseFile(detail: string, message = 'Must be one file.', cause?: Error): ProblemError {
  return new ProblemError('bad_request', detail, { errors: [{ field: 'media', message }], cause });
}

const tooLarge = (cause?: Error) =>
  new ProblemError('body_too_large', 'The file is larger than X allows (512 MB).', { cause });

export type FormFields = Readonly<Record<string, string>>;

async function parseForm(
  ctx: Context,
  folder: string,
): Promise<{ file: { path: string; bytes: number } | null; isEmpty: boolean; fields: FormFields }> {
  const parse = koaBody({
    multipart: true,
    json: false,
    urlencoded: false,
    text: false,
    formidable: {
      uploadDir: folder,
      maxFiles: 1,
      maxFileSize: xLimits.video.maxBytes,
      // A form whose file was left out sends an empty one.
      allowEmptyFiles: true,
      minFileSize: 0,
      maxFields: 10,
      maxFieldsSize: 10_000,
      keepExtensions: false,
      filename: () => 'upload',
      // Python's requests, for one, names no type; without one the parser takes the part for text and keeps it in memory.
      onPart: (part, handlePart) => {
        if (part.name === 'media') part.mimetype ??= 'application/octet-stream';
        handlePart(part);
      },
    },
    onError: (error) => {
      const code = 'code' in error ? error.code : undefined;
      if (code === biggerThanMaxFileSize || code === biggerThanTotalMaxFileSize) throw tooLarge(error);
      if (code === maxFilesExceeded) throw refuseFile('Send one file in a form.', undefined, error);
      throw new ProblemError('bad_request', 'The upload is not valid multipart/form-data, or it broke off.', {
        cause: error,
      });
    },
  });
  await parse(ctx, async () => {});
  const given = ctx.request.files?.media;
  const file = Array.isArray(given) ? given[0] : given;
  const fields = Object.entries(Object(ctx.request.body)).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return {
    // A browser sends an empty file where none was chosen.
    isEmpty: file?.size === 0,
    file: file && file.size > 0 ? { path: file.filepath, bytes: file.size } : null,
    fields: Object.fromEntries(fields),
  };
}
