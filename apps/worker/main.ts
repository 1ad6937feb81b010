import { runApp } from '#libs/run-app/run-app.ts';
import { startWorker } from './start-worker.ts';

const help = `npm run worker: carries accepted posts to X

Needs REDIS_URL and TOKEN_KEYS, the same as the API's. Start as many as you like on the same Redis.
  WORKER_QUEUES=media,tweets   which queues to serve
  WORKER_CONCURRENCY=8         how many entries of each at a time
All settings: README.md, .env.example
`;

await runApp({
  role: 'worker',
  help,
  environment: process.env,
  argv: process.argv.slice(2),
  async start(config, log) {
    const worker = await startWorker(config, log);
    log.info({ queue: worker.queues.join(',') }, 'The worker is ready');
    return worker;
  },
});
