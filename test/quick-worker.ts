import { startWorker } from '#apps/worker/start-worker.ts';
import { runApp } from '#libs/run-app/run-app.ts';
import { quickTimings } from './quick-timings.ts';

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
