import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Real processes and worker threads run inside the tests; two at a time keep a small machine honest.
    maxWorkers: 2,
    // What ends a test that hangs; a busy machine is no fault.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    setupFiles: ['test/support/setup.ts'],
  },
});
