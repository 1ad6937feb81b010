import { startWorker, type WorkerTimings } from '#apps/worker/start-worker.ts';
import { runApp } from '#libs/run-app/run-app.ts';

/** As a worker's own, but short, so that tests see within seconds what production sees within half a minute. */
const quickTimings: WorkerTimings = { lockMs: 6000, stalledEveryMs: 1500, sweepEveryMs: 1000 };

await runApp({
  role: 'worker',
  help: '',
  environment: process.env,
  argv: [],
  async start(config, log) {
    const worker = await startWorker(config, log, quickTimings);
    log.info({}, 'The worker is ready');
    return worker;
  },
});
