import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Context,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { lastWords } from './last-words.ts';
import { formatTraceparent, parseTraceparent } from './traceparent.ts';
import type { Span, SpanOptions, Tracing } from './tracing.ts';

export interface OpenTelemetryOptions {
  /** Where spans are posted to, as in `http://collector:4318/v1/traces`. */
  readonly url: string;
  /** Sent along, such as a key of the collector. */
  readonly headers: Readonly<Record<string, string>>;
  /** How many of the traces that begin here are told of, 0 to 1; who calls with a trace decides for it. */
  readonly share: number;
  /** Which process of ours it is. */
  readonly service: string;
  /** The collector did not take what was sent: once, until it takes something again. */
  readonly onFailure: (error: Error) => void;
}

const kinds = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
} as const;

/** Spans go out once a second; what the collector does not take is lost. Nothing is registered globally or patched. */
export function openTelemetry(options: OpenTelemetryOptions): Tracing {
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': options.service,
      'service.namespace': 'post-to-x',
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(options.share) }),
    spanProcessors: [
      new BatchSpanProcessor({ exporter: createExporter(options), scheduledDelayMillis: 1000 }),
    ],
  });
  const tracer = provider.getTracer('post-to-x');
  const running = new AsyncLocalStorage<OtelSpan>();

  function contextOf(parent: string | null | undefined): Context {
    const span = running.getStore();
    if (parent === undefined) return span ? trace.setSpan(ROOT_CONTEXT, span) : ROOT_CONTEXT;
    const known = parseTraceparent(parent ?? '');
    if (!known) return ROOT_CONTEXT;
    const { traceId, spanId, isSampled } = known;
    const traceFlags = isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
    return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
  }

  const begin = (name: string, { kind, parent, facts = {} }: SpanOptions, startTime?: number) =>
    tracer.startSpan(
      name,
      { kind: kinds[kind ?? 'internal'], attributes: { ...facts }, ...(startTime && { startTime }) },
      contextOf(parent),
    );

  return {
    isOn: true,
    async span(name, spanOptions, act) {
      const span = begin(name, spanOptions);
      try {
        return await running.run(span, () => act(toSpan(span)));
      } catch (error) {
        fail(span, codeOf(error));
        throw error;
      } finally {
        span.end();
      }
    },
    passed(name, { durationMs, failure, ...spanOptions }) {
      const endTime = Date.now();
      const span = begin(name, spanOptions, endTime - durationMs);
      if (failure !== undefined) fail(span, failure);
      span.end(endTime);
    },
    here() {
      const context = running.getStore()?.spanContext();
      if (!context) return null;
      return formatTraceparent({ ...context, isSampled: (context.traceFlags & TraceFlags.SAMPLED) !== 0 });
    },
    [Symbol.asyncDispose]: () => lastWords(provider.shutdown()),
  };
}

function toSpan(span: OtelSpan): Span {
  return {
    tell: (facts) => void span.setAttributes({ ...facts }),
    rename: (name) => void span.updateName(name),
    fail: (type) => fail(span, type),
  };
}

function fail(span: OtelSpan, type: string): void {
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** One word: what errors say may hold addresses and texts. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'error';
  const code = 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^\w{1,60}$/.test(code) ? code : error.name;
}

/** Tells of the first failure in a row. */
function createExporter({ url, headers, onFailure }: OpenTelemetryOptions): SpanExporter {
  const exporter = new OTLPTraceExporter({ url, headers: { ...headers }, timeoutMillis: 5000 });
  let isAway = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.error !== undefined;
        if (failed && !isAway) onFailure(result.error ?? new Error('no answer'));
        isAway = failed;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush(),
  };
}
