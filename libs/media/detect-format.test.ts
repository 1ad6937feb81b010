import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detectFormat, formatOf } from './detect-format.ts';
import { quarters } from './test-pictures.ts';

const latin1 = (text: string) => Buffer.from(text, 'latin1');
const ftyp = (brands: string) => latin1(`\0\0\0${String.fromCharCode(8 + brands.length)}ftyp${brands}`);

describe('formatOf', () => {
  it.each(['jpeg', 'png', 'webp', 'avif', 'gif'] as const)('knows %s by its bytes', async (format) => {
    expect(await formatOf(await quarters(16, 16)[format]().toBuffer())).toEqual({ format });
  });

  it.each([
    ['mp4', ftyp('isom\0\0\0\0isommp42')],
    ['mov', ftyp('qt  \0\0\0\0qt  ')],
    ['avif', ftyp('mif1\0\0\0\0mif1avifmiaf')],
  ])('knows %s by its brand', async (format, head) => expect(await formatOf(head)).toEqual({ format }));

  it.each([
    ['HEIC', ftyp('heic\0\0\0\0mif1heic'), /HEIC.*JPEG/],
    ['HEIC that also calls itself AVIF', ftyp('heic\0\0\0\0avifheic'), /HEIC/],
    ['SVG', latin1('<svg xmlns="http://www.w3.org/2000/svg"/>'), /SVG.*PNG/],
    [
      'SVG behind a prologue',
      latin1('\xef\xbb\xbf\n<?xml version="1.0"?><!-- <p> --><!DOCTYPE svg>\n<svg/>'),
      /SVG/,
    ],
    ['SVG in UTF-16', Buffer.from('\ufeff<svg/>', 'utf16le'), /SVG/],
    ['SVG with a prefix', latin1('<x:svg xmlns:x="http://www.w3.org/2000/svg"/>'), /Send/],
    ['TIFF', latin1('II*\0\x08\0\0\0'), /TIFF.*JPEG/],
    ['BMP', latin1('BM\x46\0\0\0\0\0\0\0\x36\0\0\0'), /BMP.*JPEG/],
    ['JPEG XL', latin1('\xff\x0a\xfa\x7f'), /JPEG XL|Send a JPEG/],
    ['PDF', latin1('%PDF-1.7\n'), /PDF.*PNG/],
    ['Photoshop', latin1('8BPS\0\x01'), /Photoshop/],
    ['an icon', latin1('\0\0\x01\0\x01\0'), /icon/],
    ['a web page', latin1('\n<!DOCTYPE html><html><img src=x></html>'), /web page/],
    ['a playlist', latin1('#EXTM3U\n'), /playlist/],
    ['an archive', latin1('PK\x03\x04'), /Send a JPEG/],
    ['text', latin1('hello'), /Send a JPEG/],
    ['nothing', Buffer.alloc(0), /Send/],
  ])('refuses %s with a word on what to send instead', async (_name, head, wanted) => {
    const found = await formatOf(head);
    expect(found).toEqual({ refusal: expect.stringMatching(wanted) });
    expect(found).toEqual({ refusal: expect.stringContaining('Send') });
  });

  it('has an answer to everything', async () => {
    const magic = fc.constantFrom(
      '',
      '\xff\xd8\xff',
      '\x89PNG\r\n\x1a\n',
      'GIF89a',
      'RIFF\0\0\0\0WEBP',
      '\0\0\0\x18ftyp',
      '\x1aE\xdf\xa3',
      '0&\xb2u',
      'OggS',
      'ID3',
      'II*\0',
      '<',
    );
    await fc.assert(
      fc.asyncProperty(magic, fc.uint8Array({ maxLength: 600 }), async (start, rest) => {
        const found = await formatOf(Buffer.concat([latin1(start), rest]));
        expect('format' in found || found.refusal.includes('Send')).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe('detectFormat', () => {
  it('goes by the bytes, whatever the file is called', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'detect-format-'));
    const file = join(folder.path, 'a.mp4');
    await writeFile(file, await quarters(8, 8).png().toBuffer());
    expect(await detectFormat(file)).toBe('png');
  });

  it('refuses an empty file', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'detect-format-'));
    const file = join(folder.path, 'a');
    await writeFile(file, '');
    await expect(detectFormat(file)).rejects.toMatchObject({ code: 'media_broken', detail: /empty/ });
  });
});
