import { expect } from 'vitest';

/** What a promise is rejected with; the test fails where it is fulfilled. */
export const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => expect.fail(`it succeeded: ${value}`),
    (error: unknown) => error,
  );
