import type { Config } from '#libs/config/config.ts';
import type { Running } from './start.ts';

/** What `npm start -- --help` prints. */
export const usage = `npm start: the whole of post-to-x on this machine

Starts the API and a worker; a Redis of its own unless REDIS_URL is set; a simulated X unless CLIENT_ID is set.
Settings come from the environment and from a .env file in the working directory; see .env.example.

  PORT=8080 npm start       listens on another port (0: any free one)
  DATA_DIR=~/x npm start    keeps everything that must survive there (default: ./data)
  npm run demo              a guided tour against what is running here

Ctrl-C stops everything; what was accepted goes on at the next start.
`;

/** What is printed when everything is ready: where to look, and what to type first. */
export function greeting(
  { apiUrl, simulatorUrl }: Pick<Running, 'apiUrl' | 'simulatorUrl'>,
  { doors, durationMs }: Pick<Config, 'doors'> & { readonly durationMs: number },
): string {
  const places = [
    `  Start page           ${apiUrl}/`,
    `  Connect an account   ${apiUrl}/startAuth`,
    simulatorUrl === null ? '' : `  What X shows         ${simulatorUrl}/`,
    doors.rest ? `  For a custom GPT     ${apiUrl}/openapi.json` : '',
    doors.mcp ? `  For MCP clients      ${apiUrl}/mcp` : '',
    `  Health               ${apiUrl}/readyz`,
  ];
  const sandbox =
    simulatorUrl === null
      ? []
      : [
          '',
          `Sandbox: no X app is configured, so X is simulated and nothing is really posted.${doors.rest ? ' See it work: npm run demo' : ''}`,
        ];
  const firstCalls = [
    'Connect an account; its page shows a code. Then:',
    '',
    `  TOKEN=$(curl -s ${apiUrl}/oauth/token -H 'Content-Type: application/json' -d '{"code":"THE CODE"}' | sed 's/.*"access_token":"\\([^"]*\\).*/\\1/')`,
    `  curl ${apiUrl}/postTweet -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"text":"Hello from my own server","wait_seconds":20}'`,
    '',
  ];
  return [
    '',
    `Ready after ${(durationMs / 1000).toFixed(1)} s at ${apiUrl}`,
    '',
    ...places.filter(Boolean),
    ...sandbox,
    '',
    ...(doors.rest ? firstCalls : []),
    '',
  ].join('\n');
}
