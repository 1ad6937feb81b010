/**
 * Flags of Node.js for the API and for workers. By itself V8 lets the young part of its heap grow to a hundred megabytes
 * before it looks at it, although little of that is in use at any time: with thousands of requests that wait, that was
 * a third of what they took. `package.json` and the `Dockerfile` say the same.
 * @see https://nodejs.org/api/cli.html#--max-semi-space-sizesize-in-megabytes
 */
export const serverFlags: readonly string[] = ['--max-semi-space-size=16'];
