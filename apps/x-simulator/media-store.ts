import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeptMedia } from './kept-state.ts';
import { Ledger } from './ledger.ts';
import { createMediaFolder } from './media-folder.ts';
import type { Settings } from './settings.ts';
import { type Sniffed, sniff } from './sniff.ts';

interface Segment {
  readonly position: number;
  readonly length: number;
  written: boolean;
}

/** One upload, from INITIALIZE to its end. The bytes lie in a file, never in memory. */
export interface Media {
  readonly id: string;
  readonly mediaKey: string;
  readonly ownerId: string;
  readonly additionalOwners: readonly string[];
  readonly mediaType: string;
  readonly category: string;
  /** As INITIALIZE announced it. */
  readonly totalBytes: number;
  readonly segments: Segment[];
  readonly path: string;
  phase: 'receiving' | 'pending' | 'in_progress' | 'succeeded' | 'failed';
  /** Whether X's transcoder works on it at all; without, it is ready at FINALIZE. */
  isProcessed: boolean;
  /** STATUS calls since FINALIZE, and how many of them came before `check_after_secs` was over. */
  polls: number;
  earlyPolls: number;
  checkAgainAt: number;
  readyAt: number | null;
  /** Epoch ms: until then the id serves. */
  expiresAt: number;
  error: { readonly code: number; readonly name: string; readonly message: string } | null;
  altText: string | null;
  /** A post shows it: its file is kept for as long as the simulator runs. */
  isPosted: boolean;
  /** FINALIZE at work: a second one waits for the first. */
  accepting: Promise<void> | null;
  /** Known once it is finalized. */
  sha256: string | null;
  sniffed: Sniffed | null;
}

/** Uploads by id; their files vanish with `clear`, and lie in a folder of this process unless one is given. */
export class MediaStore {
  readonly #settings: Settings;
  readonly #nextId: () => string;
  readonly #byId = new Map<string, Media>();
  /** Every upload in order, with every change of its phase. */
  readonly uploads = new Ledger<Media>((media) => `${media.id} ${media.category} ${media.phase}`);
  readonly #givenFolder: string | null;
  #folder: Promise<string> | null = null;

  constructor(settings: Settings, nextId: () => string, folder: string | null) {
    this.#settings = settings;
    this.#nextId = nextId;
    this.#givenFolder = folder;
  }

  get(id: string): Media | null {
    return this.#byId.get(id) ?? null;
  }

  /** Whether an id is ready, not expired, and this user's: what POST /2/tweets asks. */
  mayPost(media: Media, userId: string): boolean {
    const now = this.#settings.now();
    const isTheirs = media.ownerId === userId || media.additionalOwners.includes(userId);
    const isReady = media.phase === 'succeeded' && (media.readyAt ?? now) + this.#settings.mediaLagMs <= now;
    return isTheirs && isReady && media.expiresAt > now;
  }

  async create(
    upload: Pick<Media, 'ownerId' | 'additionalOwners' | 'mediaType' | 'category' | 'totalBytes'>,
  ): Promise<Media> {
    this.#folder ??= createMediaFolder(this.#givenFolder);
    const id = this.#nextId();
    const media: Media = {
      ...upload,
      id,
      mediaKey: `${keyPrefix(upload.category)}_${id}`,
      segments: [],
      path: join(await this.#folder, id),
      phase: 'receiving',
      isProcessed: false,
      polls: 0,
      earlyPolls: 0,
      checkAgainAt: 0,
      readyAt: null,
      expiresAt: this.#settings.now() + this.#settings.mediaSeconds * 1000,
      error: null,
      altText: null,
      isPosted: false,
      accepting: null,
      sha256: null,
      sniffed: null,
    };
    await this.#dropExpired();
    await (await open(media.path, 'wx')).close();
    this.#byId.set(id, media);
    this.uploads.add(media);
    return media;
  }

  /** Keeps a segment; the same index again replaces what came before. */
  async writeSegment(media: Media, index: number, bytes: Buffer): Promise<void> {
    const before = media.segments[index];
    const isSameLength = before?.length === bytes.length;
    const end = media.segments.reduce(
      (latest, { position, length }) => Math.max(latest, position + length),
      0,
    );
    const segment = { position: isSameLength ? before.position : end, length: bytes.length, written: false };
    media.segments[index] = segment;
    const file = await open(media.path, 'r+');
    try {
      await file.write(bytes, 0, bytes.length, segment.position);
    } finally {
      await file.close();
    }
    segment.written = true;
    this.uploads.changed(media);
  }

  /** Whether the segments, each once and none missing, are exactly the announced bytes. */
  isComplete(media: Media): boolean {
    const all = Array.from({ length: media.segments.length }, (_, index) => media.segments[index]);
    const sum = all.reduce((total, segment) => total + (segment?.written ? segment.length : Number.NaN), 0);
    return all.length > 0 && sum === media.totalBytes;
  }

  /** Puts the segments into their order, then looks at what the file is. */
  async assemble(media: Media): Promise<void> {
    await this.#rewriteInOrder(media);
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(media.path)) hash.update(chunk);
    media.sha256 = hash.digest('hex');
    const file = await open(media.path, 'r');
    try {
      media.sniffed = await sniff(file, media.totalBytes);
    } finally {
      await file.close();
    }
  }

  /** The bytes of a finished upload, as they came. */
  read(media: Media): Promise<Buffer> {
    return readFile(media.path);
  }

  async clear(): Promise<void> {
    const folder = this.#folder;
    this.#folder = null;
    this.#byId.clear();
    this.uploads.clear();
    if (folder) await rm(await folder, { recursive: true, force: true });
  }

  /** All of it but the bytes, for a file. */
  keep(): KeptMedia[] {
    return [...this.#byId.values()].map(({ path: _path, accepting: _accepting, ...media }) => ({
      ...media,
      additionalOwners: [...media.additionalOwners],
      segments: Array.from(media.segments, (segment) => segment ?? null),
    }));
  }

  /** Takes over what `keep` gave, where the folder is a given one. */
  async restore(kept: readonly KeptMedia[]): Promise<void> {
    this.#folder ??= createMediaFolder(this.#givenFolder);
    for (const { segments, ...one } of kept) {
      const media: Media = { ...one, segments: [], path: join(await this.#folder, one.id), accepting: null };
      for (const [index, segment] of segments.entries()) if (segment) media.segments[index] = segment;
      this.#byId.set(media.id, media);
      this.uploads.add(media);
    }
  }

  async #dropExpired(): Promise<void> {
    const now = this.#settings.now();
    const expired = [...this.#byId.values()].filter((media) => !media.isPosted && media.expiresAt <= now);
    for (const media of expired) {
      await rm(media.path, { force: true });
      this.#byId.delete(media.id);
    }
  }

  async #rewriteInOrder(media: Media): Promise<void> {
    let expected = 0;
    const isInOrder = media.segments.every(({ position, length }) => {
      expected += length;
      return position === expected - length;
    });
    if (isInOrder) return;
    const [from, to] = [await open(media.path, 'r'), await open(`${media.path}.ordered`, 'w')];
    try {
      for (const { position, length } of media.segments) {
        const { buffer } = await from.read(Buffer.alloc(length), 0, length, position);
        await to.write(buffer);
      }
    } finally {
      await from.close();
      await to.close();
    }
    await rename(`${media.path}.ordered`, media.path);
  }
}

function keyPrefix(category: string): number {
  if (category.endsWith('gif')) return 16;
  if (category === 'amplify_video') return 13;
  return category.endsWith('video') ? 7 : 3;
}
