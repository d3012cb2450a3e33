import { defineConfig } from 'vitest/config'

// Limits against hanging, not measures: machines are shared, and servers in the tests start slowly on busy ones.
export default defineConfig({
  test: { include: ['**/test/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 120_000 },
})
