import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createAnomalyDetector } from '../src/index.ts'

const minute = 60_000
const day = (at: number): number => 50 + 20 * Math.sin((at / 288) * 2 * Math.PI)

function scores(values: readonly number[]): readonly number[] {
  const detector = createAnomalyDetector()
  return values.map((value, at) => detector.next(at * 5 * minute, value))
}

/** A daily wave over three weeks with a little noise that is the same in every run. */
const ordinary = Array.from({ length: 6_000 }, (_, at) => day(at) + ((at * 7_919) % 13) / 13)

test('a quiet series stays quiet', () => {
  expect(Math.max(...scores(ordinary).slice(600))).toBeLessThan(0.1)
})

const incidents: readonly (readonly [what: string, change: (value: number) => number, rows: number])[] = [
  ['a spike', value => value * 3, 1],
  ['a drop to zero', () => 0, 12],
  ['a level shift', value => value + 60, 400],
]

test.each(incidents)('%s is found at once, and told once', (_, change, rows) => {
  const at = 5_000
  const changed = ordinary.map((value, row) => (row >= at && row < at + rows ? change(value) : value))
  const found = scores(changed)
  expect(Math.max(...found.slice(at, at + 13))).toBeGreaterThan(0.5)
  expect(found.slice(at, at + 100).filter(score => score > 0.5).length).toBeLessThan(4)
})

test('a score depends on earlier values alone and lies in 0..1, whatever comes', () => {
  const value = fc.oneof(fc.double(), fc.constantFrom(0, -0, 1e308, -1e308, NaN, Infinity))
  fc.assert(
    fc.property(fc.array(value, { maxLength: 300 }), fc.nat(300), (values, cut) => {
      const all = scores(values)
      expect(all.every(score => score >= 0 && score <= 1)).toBe(true)
      expect(scores(values.slice(0, cut))).toEqual(all.slice(0, cut))
    }),
  )
})
