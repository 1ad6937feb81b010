import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['apps/**/*.test.ts', 'libs/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts'],
    pool: 'forks',
    // Files of one worker share the modules that they load: to load them anew for each file was a third of all time.
    // No module of ours keeps anything that one test could leave to another.
    isolate: false,
    maxWorkers: 4,
    maxConcurrency: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // How long what is waited for takes is up to the machine.
    expect: { poll: { timeout: 50_000 } },
  },
});
