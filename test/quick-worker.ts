import { startWorker } from '#apps/worker/start-worker.ts';
import { runApp } from '#libs/run-app/run-app.ts';
import { hastyTimings, quickTimings } from './quick-timings.ts';

await runApp({
  role: 'worker',
  help: '',
  environment: process.env,
  argv: [],
  async start(config, log) {
    const timings = process.env.TEST_TIMINGS === 'hasty' ? hastyTimings : quickTimings;
    const worker = await startWorker(config, log, timings);
    log.info({}, 'The worker is ready');
    return worker;
  },
});
