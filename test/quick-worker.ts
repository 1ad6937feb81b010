import { startWorker } from '#apps/worker/start-worker.ts';
import type { WorkerTimings } from '#apps/worker/timings.ts';
import { runApp } from '#libs/run-app/run-app.ts';
import { hastyTimings, quickTimings } from './quick-timings.ts';

/** `usual`: the worker's own. */
const timings: Record<string, WorkerTimings | undefined> = {
  quick: quickTimings,
  hasty: hastyTimings,
  usual: undefined,
};

await runApp({
  role: 'worker',
  help: '',
  environment: process.env,
  argv: [],
  async start(config, log) {
    const worker = await startWorker(config, log, timings[process.env.TEST_TIMINGS ?? 'quick']);
    log.info({}, 'The worker is ready');
    return worker;
  },
});
