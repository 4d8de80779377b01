import { defineConfig } from 'vitest/config';

/** Tests in a real browser, apart from the others: `npm run test:browser`. */
export default defineConfig({
  test: {
    include: ['test/browser/*.browser.ts'],
    maxWorkers: 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    setupFiles: ['test/support/setup.ts'],
  },
});
