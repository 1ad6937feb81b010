import type { XApi } from './x-api.ts';

export type * from './x-api.ts';

export interface XTimeouts {
  /** One request with a small body, in all. */
  readonly requestMs: number;
  /** One segment of an upload, in all. */
  readonly appendMs: number;
}

/** Opens a client of X at `apiUrl`, as in `https://api.x.com`. Dispose of it to close its connections. */
export function createXApi(_options: {
  readonly apiUrl: string;
  readonly timeouts?: Partial<XTimeouts> | undefined;
}): XApi {
  throw new Error('being written');
}
