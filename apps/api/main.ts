import { runApp } from '#libs/run-app/run-app.ts';
import { startApi } from './start-api.ts';

const help = `npm run api: the HTTP API that accepts posts and tells how they are doing

Needs REDIS_URL, SECRET_KEY and TOKEN_KEYS; a worker on the same Redis carries the posts to X (npm run worker).
  PORT=5000 HOST=127.0.0.1     where to listen (PORT=0: any free port)
  PUBLIC_URL=https://…         how the world reaches it: every absolute URL begins with it
All settings: README.md, .env.example
`;

await runApp({
  role: 'api',
  help,
  environment: process.env,
  argv: process.argv.slice(2),
  async start(config, log) {
    const api = await startApi(config, log);
    const how = api.problems.length === 0 ? 'is ready' : 'is listening, and accepts no posts yet';
    log.info({ address: api.url }, `The API ${how}`);
    process.send?.({ type: 'listening', url: api.url });
    return api;
  },
});
