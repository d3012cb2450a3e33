import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { detect, mask } from '../src/index.ts'

const folder = join(import.meta.dirname, '../../../../shared/data/pii')
const isHere = existsSync(join(folder, 'mcp_json_synth.jsonl'))

interface Sample {
  readonly text: string
  readonly spans: readonly {
    readonly type: string
    readonly start: number
    readonly end: number
    readonly weak?: boolean
  }[]
  readonly scope?: readonly string[]
}

const core = new Set([
  'EMAIL',
  'PHONE',
  'US_SSN',
  'CREDIT_CARD',
  'IP_ADDRESS',
  'STREET_ADDRESS',
  'PASSPORT',
  'IBAN',
])

const isSample = (value: unknown): value is Sample =>
  typeof value === 'object' && value !== null && 'spans' in value

const samplesOf = (name: string): readonly Sample[] =>
  readFileSync(join(folder, name), 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .flatMap(line => {
      const value: unknown = JSON.parse(line)
      return isSample(value) ? [value] : []
    })

const overlap = (a: { start: number; end: number }, b: { start: number; end: number }): number =>
  Math.max(0, Math.min(a.end, b.end) - Math.max(a.start, b.start))

const isMatch = (a: { start: number; end: number }, b: { start: number; end: number }): boolean =>
  overlap(a, b) * 2 >= Math.max(a.end, b.end) - Math.min(a.start, b.start)

interface Count {
  gold: number
  hit: number
  wrong: number
}

type Counts = ReadonlyMap<string, Count>

const countGold = (counts: Counts, { text, spans }: Sample): void => {
  const found = detect(text)
  for (const gold of spans.filter(span => span.weak !== true)) {
    const count = counts.get(gold.type)
    if (count === undefined) continue
    count.gold++
    count.hit += found.some(one => one.type === gold.type && isMatch(one, gold)) ? 1 : 0
  }
}

const countWrong = (counts: Counts, { text, spans, scope }: Sample): void => {
  for (const one of detect(text)) {
    const count = counts.get(one.type)
    const isExpected = spans.some(span => overlap(span, one) > 0)
    if (count !== undefined && !isExpected && (scope ?? [...core]).includes(one.type)) count.wrong++
  }
}

/** Found and wanted per kind over every labelled set. */
const tally = (): Counts => {
  const counts = new Map([...core].map(type => [type, { gold: 0, hit: 0, wrong: 0 }]))
  const samples = readdirSync(folder)
    .filter(file => file.endsWith('.jsonl'))
    .flatMap(samplesOf)
  for (const sample of samples) {
    countGold(counts, sample)
    countWrong(counts, sample)
  }
  return counts
}

describe.skipIf(!isHere)(
  'labelled texts (skipped where the data folder is not beside the repository)',
  () => {
    test('macro-F2 over the eight core kinds is at least 95, precision of each at least 95 %', () => {
      const scores = [...tally().values()].map(({ gold, hit, wrong }) => ({
        precision: hit / (hit + wrong),
        f2: (5 * hit) / (4 * gold + hit + wrong),
      }))
      expect(Math.min(...scores.map(score => score.precision))).toBeGreaterThan(0.95)
      expect(scores.reduce((sum, score) => sum + score.f2, 0) / scores.length).toBeGreaterThan(0.95)
    })

    test('at most two finds of core kinds per megabyte of texts that hold none', () => {
      const negatives = join(folder, 'negatives')
      let units = 0
      let wrong = 0
      for (const name of readdirSync(negatives)) {
        const text = readFileSync(join(negatives, name), 'utf8')
        units += text.length
        wrong += detect(text).filter(one => core.has(one.type)).length
      }
      expect((wrong * 1e6) / units).toBeLessThanOrEqual(2)
    })

    test('every masked payload parses, and masking it again changes nothing', () => {
      for (const { text } of samplesOf('mcp_json_synth.jsonl')) {
        const once = mask(text)
        JSON.parse(once)
        expect(mask(once)).toBe(once)
      }
    })
  },
)
