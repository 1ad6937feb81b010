const mebibyte = 1024 * 1024;
/** X takes segment_index 0-999. */
export const mostSegments = 1000;

/** Size of the segments of an upload: 1 MiB, and as much more as a large file needs to fit into 1000 of them. */
export function segmentBytesFor(totalBytes: number): number {
  const needed = Math.ceil(totalBytes / mostSegments);
  return Math.max(mebibyte, Math.ceil(needed / mebibyte) * mebibyte);
}
