import type { Redis } from 'ioredis';
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import { readLimits } from '#libs/insight/limits-now.ts';
import { gauge, type Metric, prefix, readCounts, toText } from '#libs/insight/samples.ts';
import { readWorkers } from '#libs/insight/workers.ts';
import { lookAtOpenJobs, type OpenJobs } from '#libs/jobs/open-jobs.ts';
import type { Spend } from '#libs/jobs/spend.ts';
import type { WakeUps } from '#libs/jobs/wake-up.ts';
import type { AnsweredRequest } from './operate-requests.ts';
import type { Readiness } from './readiness.ts';

export interface MetricsDeps {
  readonly redis: Redis;
  readonly wakeUps: WakeUps;
  readonly spend: Spend;
  readonly readiness: Readiness;
}

/** What Prometheus reads: this process as it is, and the whole deployment as Redis knows it. */
export interface Metrics {
  observe(request: AnsweredRequest): void;
  text(): Promise<string>;
}

/** Several servers may ask at a time; the deployment is looked at once for all of them. */
const believedMs = 2000;
const statuses = ['scheduled', 'queued', 'processing', 'waiting', 'confirming', 'unconfirmed'] as const;
const entryStates = ['waiting', 'prioritized', 'active', 'delayed', 'failed', 'completed'] as const;
const reasons = ['limit', 'credits', 'x_down', 'storage', 'media_host', 'key'] as const;

export function createMetrics(deps: MetricsDeps): Metrics {
  const register = new Registry();
  collectDefaultMetrics({ register });
  const requests = new Histogram({
    name: `${prefix}http_request_seconds`,
    help: 'How long this process took to answer, held long polls included.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.025, 0.1, 0.5, 1, 5, 25, 60],
    registers: [register],
  });
  let known: { readonly at: number; readonly text: Promise<string> } | null = null;
  return {
    observe: ({ method, route, status, durationMs }) =>
      requests.observe({ method, route, status }, durationMs / 1000),
    async text() {
      if (!known || performance.now() - known.at > believedMs)
        known = { at: performance.now(), text: deploymentText(deps) };
      return (await register.metrics()) + (await known.text);
    },
  };
}

/** While Redis is away a scrape still shows this process, and that Redis is away. */
async function deploymentText(deps: MetricsDeps): Promise<string> {
  const up = (value: number) => gauge('redis_up', '1: Redis answers.', [{ value }]);
  try {
    return toText([up(1), ...(await readDeployment(deps))]);
  } catch {
    return toText([up(0)]);
  }
}

async function readDeployment({ redis, wakeUps, spend, readiness }: MetricsDeps): Promise<Metric[]> {
  const now = Date.now();
  const problems = await readiness.problems();
  const openJobs = await lookAtOpenJobs(redis, now);
  const groups = await Promise.all([
    readCounts(redis),
    readLimits(redis, now, openJobs.waitingByReason),
    readWorkers(redis, now),
    readSpend(spend),
    readQueues(wakeUps),
  ]);
  const ready = gauge('ready', '1: posts are accepted, as /readyz says.', [
    { value: problems.length === 0 ? 1 : 0 },
  ]);
  return [ready, ...tellOpenJobs(openJobs), ...groups.flat()];
}

function tellOpenJobs({ total, byStatus, waitingByReason, examined, overdueMs }: OpenJobs): Metric[] {
  return [
    gauge('jobs_open', 'Open jobs now, by status; unknown: more than are looked at one by one.', [
      ...statuses.map((status) => ({ labels: { status }, value: byStatus[status] ?? 0 })),
      { labels: { status: 'unknown' }, value: Math.max(0, total - examined) },
    ]),
    gauge(
      'jobs_waiting',
      'Open jobs that wait now, by what for.',
      reasons.map((reason) => ({ labels: { reason }, value: waitingByReason[reason] ?? 0 })),
    ),
    gauge(
      'overdue_seconds',
      'How long the job that is due first has been left alone. Grows without workers.',
      [{ value: overdueMs / 1000 }],
    ),
  ];
}

async function readSpend(spend: Spend): Promise<Metric[]> {
  const { spentUsd, budgetUsd } = await spend.total();
  return [
    gauge('spend_month_usd', "US dollars spent at X this calendar month (UTC), by X's price list.", [
      { value: spentUsd },
    ]),
    gauge(
      'budget_month_usd',
      'MONTHLY_BUDGET_USD; absent without one.',
      budgetUsd === null ? [] : [{ value: budgetUsd }],
    ),
  ];
}

async function readQueues({ queues }: WakeUps): Promise<Metric[]> {
  const samples = await Promise.all(
    Object.values(queues).map(async (queue) => {
      const counts = await queue.getJobCounts(...entryStates);
      return Object.entries(counts).map(([state, value]) => ({
        labels: { queue: queue.name, state },
        value,
      }));
    }),
  );
  return [gauge('queue_entries', 'Wake-up calls in the queues, by state.', samples.flat())];
}
