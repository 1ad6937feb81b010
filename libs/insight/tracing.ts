import type { OpenTelemetryOptions } from './open-telemetry.ts';

/** All that a span may tell. No text, no token, no address, no user: a fact that is not in this list has no name. */
export type SpanFacts = Readonly<Partial<Record<FactName, string | number | boolean>>>;
type FactName =
  | 'http.request.method'
  | 'http.route'
  | 'http.response.status_code'
  | 'messaging.system'
  | 'messaging.operation.type'
  | 'messaging.destination.name'
  | 'post_to_x.request_id'
  | 'post_to_x.job_id'
  | 'post_to_x.media_index'
  | 'post_to_x.media_bytes'
  | 'post_to_x.attempt'
  | 'post_to_x.wakes_after_ms'
  | 'post_to_x.x_endpoint'
  | 'post_to_x.x_transaction_id';

export interface SpanOptions {
  /** Whose side of a call it is; without it a step inside this process. */
  readonly kind?: 'server' | 'client' | 'consumer';
  /** W3C `traceparent` of what it belongs to; one that is no such thing counts as none. Left out: what runs now. */
  readonly parent?: string | null;
  readonly facts?: SpanFacts;
}

/** A step that is being taken. */
export interface Span {
  tell(facts: SpanFacts): void;
  /** Where its name is known only in the end. */
  rename(name: string): void;
  /** It came to a bad end without throwing; `type` is one word. */
  fail(type: string): void;
}

/** Where the time of a post goes, told to a collector of traces. Nothing waits for it, and nothing fails with it. */
export interface Tracing extends AsyncDisposable {
  readonly isOn: boolean;
  /** Runs `act` as a step: what begins inside belongs to it. An error that comes out of it is noted by its code. */
  span<T>(name: string, options: SpanOptions, act: (span: Span) => Promise<T>): Promise<T>;
  /** A step that is over by now, and took `durationMs`; `failure` is one word. */
  passed(
    name: string,
    options: SpanOptions & { readonly durationMs: number; readonly failure?: string | undefined },
  ): void;
  /** W3C `traceparent` of what runs now, for whoever carries it on; null: it is not traced. */
  here(): string | null;
}

const nothing: Span = { tell() {}, rename() {}, fail() {} };

/** For a deployment without traces. */
export const noTracing: Tracing = {
  isOn: false,
  span: (_name, _options, act) => act(nothing),
  passed() {},
  here: () => null,
  async [Symbol.asyncDispose]() {},
};

/** Loads OpenTelemetry when there is somewhere to send traces to, and nothing otherwise. */
export async function startTracing(
  target: Pick<OpenTelemetryOptions, 'url' | 'headers' | 'share'> | null,
  process: Pick<OpenTelemetryOptions, 'service' | 'onFailure'>,
): Promise<Tracing> {
  if (target === null) return noTracing;
  const { openTelemetry } = await import('./open-telemetry.ts');
  return openTelemetry({ ...target, ...process });
}
