// Against a real node: see docs/interop.md. Not part of the tests of every day.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/interop/*.interop.ts'],
    // One node at a time, and one connection to it.
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 180_000,
    setupFiles: ['test/support/setup.ts'],
  },
});
