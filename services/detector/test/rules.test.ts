import { expect, test } from 'vitest'
import { loadRules, testRules } from '../src/index.ts'

test('every rule of the pack fires and stays silent as its own tests say', () => {
  expect(testRules(loadRules())).toEqual([])
})
