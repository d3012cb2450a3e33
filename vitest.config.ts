import { defineConfig } from 'vitest/config'

// Limits against hanging, not measures: machines are shared, and servers in the tests start slowly on busy ones. All cores work: much of the
// whole run waits for processes.
export default defineConfig({
  test: {
    include: ['**/test/**/*.test.ts'],
    maxWorkers: '100%',
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
