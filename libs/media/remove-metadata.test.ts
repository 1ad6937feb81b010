import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleaning } from './clean-body.ts';
import { createImagePool, type ImagePool } from './image-pool.ts';
import { prepareMedia } from './prepare-media.ts';
import { bytesThrough } from './test-sink.ts';
import { hasFfmpeg, needsFfmpeg, turnByTable, video } from './test-videos.ts';

let images: ImagePool;
beforeAll(() => {
  images = createImagePool({ maxChildren: 1 });
});
afterAll(() => images[Symbol.asyncDispose]());

const where = '+48.8577+002.2950/';
const tags = [
  '-metadata',
  `location=${where}`,
  '-metadata',
  'title=At home',
  '-metadata:s:v',
  'title=Camera 7',
  '-metadata:s:v',
  `handler_name=At home ${where}`,
];
const appleTags = [
  ...['-movflags', '+use_metadata_tags', '-metadata', `com.apple.quicktime.location.ISO6709=${where}`],
  ...['-metadata', 'com.apple.quicktime.make=Apple'],
];

/** Every tag that ffprobe finds, of the file and of its streams, but for what containers are made of. */
function tagsOf(file: string): Record<string, string> {
  const text = execFileSync(
    'ffprobe',
    ['-v', 'error', '-show_format', '-show_streams', '-of', 'json', file],
    {
      encoding: 'utf8',
    },
  );
  const { format, streams } = JSON.parse(text);
  const all = [format, ...streams].flatMap(({ tags = {} }) => Object.entries<string>(tags));
  const structural = [
    'major_brand',
    'minor_version',
    'compatible_brands',
    'handler_name',
    'vendor_id',
    'language',
  ];
  return Object.fromEntries(all.filter(([name]) => !structural.includes(name) && name !== 'encoder'));
}

/** Every decoded picture and every stretch of sound, with its time. */
const decoded = (file: string): string =>
  execFileSync('ffmpeg', ['-v', 'error', '-i', file, '-f', 'framemd5', '-'], { encoding: 'utf8' });

const turns = (file: string): string =>
  execFileSync(
    'ffprobe',
    ['-v', 'error', '-show_entries', 'stream_side_data=rotation', '-of', 'csv=p=0', file],
    {
      encoding: 'utf8',
    },
  );

function xmp(): Buffer {
  const content = Buffer.concat([
    Buffer.from('be7acfcb97a942e89c71999491e3afac', 'hex'),
    Buffer.from(`<x:xmpmeta>exif:GPSLatitude="48,51N" ${where}</x:xmpmeta>`),
  ]);
  const header = Buffer.alloc(8);
  header.writeUInt32BE(8 + content.length, 0);
  header.write('uuid', 4);
  return Buffer.concat([header, content]);
}

describe.skipIf(!hasFfmpeg)(`a video that says where it was taken${needsFfmpeg}`, () => {
  it.each([
    ['MP4', 'mp4', tags],
    ['MP4 with its tables in front', 'mp4', [...tags, '-movflags', '+faststart']],
    ['fragmented MP4', 'mp4', [...tags, '-movflags', '+frag_keyframe+empty_moov']],
    ['MOV', 'mov', tags],
    ['MOV of a phone', 'mov', appleTags],
  ] as const)('says so no more, and plays as before: %s', async (_name, ending, options) => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'metadata-'));
    const tail = Buffer.from(`PK\x03\x04\x14\0\0\0${where}`);
    const given = turnByTable(Buffer.concat([video({ ending, options }), xmp(), tail]));
    const [before, file] = [join(folder.path, 'before'), join(folder.path, 'file')];
    await writeFile(before, given);
    await writeFile(file, given);
    expect(JSON.stringify(tagsOf(before))).toContain(where);
    const prepared = await prepareMedia(file, {
      outputFolder: folder.path,
      images,
      sha256: 'of what came in',
    });
    const output = await readFile(prepared.path);
    expect(prepared).toMatchObject({
      path: file,
      bytes: given.length,
      note: 'Metadata was removed.',
      sha256: createHash('sha256').update(output).digest('hex'),
    });
    expect(tagsOf(prepared.path)).toEqual({});
    expect(output.includes(where)).toBe(false);
    expect(decoded(prepared.path)).toBe(decoded(before));
    expect(turns(prepared.path)).toBe(turns(before));
    // While it comes in, the same becomes of it.
    const pieces = Array.from({ length: Math.ceil(given.length / 1000) }, (_, at) =>
      given.subarray(at * 1000, (at + 1) * 1000),
    );
    const came = await bytesThrough(pieces, (sink) => cleaning(sink, () => {}));
    expect(came.equals(output)).toBe(true);
  });

  it('loses it also where it has to be copied into another container', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'metadata-'));
    const file = join(folder.path, 'file');
    await writeFile(file, video({ ending: 'mkv', options: tags }));
    expect(JSON.stringify(tagsOf(file))).toContain(where);
    const prepared = await prepareMedia(file, { outputFolder: folder.path, images });
    expect(JSON.stringify(tagsOf(prepared.path))).not.toMatch(/48\.8577|At home|Camera 7/);
    expect((await readFile(prepared.path)).includes('48.8577')).toBe(false);
  });
});
