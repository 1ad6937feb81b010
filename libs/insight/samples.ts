import type { Redis } from 'ioredis';
import { type Counted, type CountedName, catalogue, countKey } from './catalogue.ts';

/** One metric as Prometheus takes it, with all its values. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: readonly Sample[];
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** `_bucket`, `_sum`, `_count` of a histogram. */
  readonly suffix?: string;
}

/** What every metric of ours begins with. */
export const prefix = 'post_to_x_';

/** A value that is as it is now. */
export function gauge(
  name: string,
  help: string,
  samples: readonly { readonly labels?: Sample['labels']; readonly value: number }[],
): Metric {
  return {
    name: prefix + name,
    help,
    type: 'gauge',
    samples: samples.map(({ labels = {}, value }) => ({ labels, value })),
  };
}

/** Everything that the processes of the deployment have counted so far. */
export async function readCounts(redis: Redis): Promise<Metric[]> {
  const names = Object.keys(catalogue) as CountedName[];
  const hashes = await Promise.all(names.map((name) => redis.hgetall(countKey(name))));
  return names.map((name, index) => toMetric(name, hashes[index] ?? {}));
}

function toMetric(name: CountedName, counted: Readonly<Record<string, string>>): Metric {
  const { help, labels, buckets, always = [] }: Counted = catalogue[name];
  if (buckets)
    return { name: prefix + name, help, type: 'histogram', samples: series(counted, labels, buckets) };
  const fields = { ...Object.fromEntries(always.map((values) => [values.join('|'), '0'])), ...counted };
  const samples = Object.entries(fields).map(([field, value]) => ({
    labels: labelled(labels, field.split('|')),
    value: Number(value),
  }));
  return { name: `${prefix + name}_total`, help, type: 'counter', samples };
}

/** Cumulative buckets, sum and count for each set of labels. Sums are kept in ms, the bounds in seconds. */
function series(
  fields: Readonly<Record<string, string>>,
  labels: readonly string[],
  buckets: readonly number[],
) {
  const sets = new Map<string, Map<string, number>>();
  if (labels.length === 0) sets.set('', new Map());
  for (const [field, value] of Object.entries(fields)) {
    const parts = field.split('|');
    const last = parts.pop() ?? '';
    const set = sets.get(parts.join('|')) ?? new Map<string, number>();
    sets.set(parts.join('|'), set.set(last, Number(value)));
  }
  return [...sets].flatMap(([key, counts]) => {
    const own = labelled(labels, key.split('|'));
    let below = 0;
    const bounds = [...buckets.map(String), '+Inf'].map((le, index) => {
      below += counts.get(String(index)) ?? 0;
      return { labels: { ...own, le }, value: below, suffix: '_bucket' };
    });
    const sum = { labels: own, value: (counts.get('sum') ?? 0) / 1000, suffix: '_sum' };
    return [...bounds, sum, { labels: own, value: below, suffix: '_count' }];
  });
}

function labelled(names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']));
}

/** Prometheus' text format, version 0.0.4. */
export function toText(metrics: readonly Metric[]): string {
  return metrics
    .map(({ name, help, type, samples }) => {
      const lines = samples.map(
        ({ labels, value, suffix = '' }) => `${name}${suffix}${toLabels(labels)} ${value}`,
      );
      return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n');
    })
    .join('');
}

function toLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${value.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
