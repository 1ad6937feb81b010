/**
 * Flags of Node.js for each kind of server. By itself V8 lets the young part of its heap grow to a hundred megabytes
 * before it looks at it, although little of that is in use at any time: with thousands of requests that wait, that was
 * a third of what they took. The API makes many small things for each post: with half the room for them, it took a
 * quarter more CPU. Workers make fewer, and their memory is needed for media. `package.json`, the `Dockerfile` (for
 * workers), `docker-compose.yml` and `deploy/kubernetes` (for the API) say the same.
 * @see https://nodejs.org/api/cli.html#--max-semi-space-sizesize-in-megabytes
 */
export const nodeFlags = {
  api: ['--max-semi-space-size=16'],
  worker: ['--max-semi-space-size=8'],
} as const;
