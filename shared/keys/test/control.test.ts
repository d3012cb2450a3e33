import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Decision } from '@muniment/schema'
import {
  createControlVerifier,
  createControlView,
  openSnapshot,
  readDecision,
  type ControlView,
} from '../src/control/index.ts'
import { decisionRecord, signDecision, type DecisionDraft } from '../src/control/decide.ts'
import { createControlSigner } from '../src/control/signer.ts'
import { sealSnapshot } from '../src/control/snapshot.ts'

const seed = (text: string): Buffer => createHash('sha256').update(text).digest()
const signer = createControlSigner('c1', seed('ours'))
const stranger = createControlSigner('c1', seed('theirs'))
const verifier = createControlVerifier([signer.publicKey])

const startMs = Date.parse('2026-11-30T12:00:00Z')
const minute = 60_000
const alice: DecisionDraft = {
  scope: 'principal',
  value: 'alice',
  action: 'block',
  reason: 'key leaked',
  lifeMs: 60 * minute,
}

interface World {
  readonly view: ControlView
  readonly clock: { ms: number }
  readonly decide: (draft?: Partial<DecisionDraft>, nowMs?: number) => Decision
}

function world(options: { maxDecisions?: number; maxPerRule?: number } = {}): World {
  const clock = { ms: startMs }
  const view = createControlView({ now: () => clock.ms, ...options })
  const decide = (draft: Partial<DecisionDraft> = {}, nowMs = clock.ms): Decision =>
    signDecision({ ...alice, ...draft }, { signer, nowMs, previous: undefined })
  return { view, clock, decide }
}

function outcome(drafts: readonly (readonly [string, number])[]): unknown {
  const { view, decide } = world()
  for (const [value, at] of drafts) view.apply(decide({ value, reason: `${at}` }, startMs + at))
  return ['a', 'b'].map(value => view.find(`principal/${value}`)?.version)
}

function bytes(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

describe('a decision that arrives', () => {
  const { decide } = world()
  const good = decide()

  test('is read where a control key signed it, fields of a later version included', () => {
    expect(readDecision(verifier, decisionRecord(good).value)).toEqual(good)
    const added: typeof good = JSON.parse(JSON.stringify({ ...good, added: 'later' }))
    const later = signer.sign(added)
    expect(readDecision(verifier, bytes(later))).toEqual({ ...good, signature: later.signature })
  })

  test.each<[string, unknown, string]>([
    ['by a stranger', stranger.sign(good), 'forged'],
    ['with a longer life', { ...good, expires: '2026-12-20T00:00:00.000Z' }, 'forged'],
    ['about another value', { ...good, value: 'bob' }, 'forged'],
    ['with another action', { ...good, action: 'observe' }, 'forged'],
    ['with a higher version', { ...good, version: good.version + 1 }, 'forged'],
    ['for another tenant', { ...good, tenant: 'acme' }, 'forged'],
    ['with a field put in', { ...good, added: 'later' }, 'forged'],
    ['without a signature', { ...good, signature: '' }, 'forged'],
    ['with an unknown action', { ...good, action: 'explode' }, 'malformed'],
    ['as a list', [good], 'malformed'],
    ['as null', null, 'malformed'],
  ])('is refused %s', (_, value, why) => {
    expect(readDecision(verifier, bytes(value))).toBe(why)
  })

  test('is refused as bytes that are no JSON', () => {
    expect(readDecision(verifier, Buffer.from('{"v":1'))).toBe('malformed')
  })
})

describe('the view', () => {
  test('holds a decision until it expires', () => {
    const { view, clock, decide } = world()
    expect(view.apply(decide())).toBe('applied')
    expect(view.find('principal/alice')?.action).toBe('block')
    expect(view.find('principal@acme/alice')).toBeUndefined()
    clock.ms += 60 * minute
    expect(view.find('principal/alice')).toBeUndefined()
    expect(view.list()).toEqual([])
    expect(view.isEmpty()).toBe(true)
  })

  test('refuses a replay of what was lifted, also after the lift itself has expired', () => {
    const { view, clock, decide } = world()
    const block = decide({ lifeMs: 600 * minute })
    view.apply(block)
    clock.ms += minute
    expect(view.apply(decide({ action: 'observe', lifeMs: minute }))).toBe('applied')
    expect(view.apply(block)).toBe('stale')
    clock.ms += 10 * minute
    expect(view.apply(block)).toBe('stale')
    expect(view.find('principal/alice')).toBeUndefined()
    clock.ms += 600 * minute
    expect(view.list()).toEqual([])
    expect(view.apply(block)).toBe('expired')
  })

  test.each([
    ['expired', -61 * minute],
    ['early', 6 * minute],
  ])('refuses a decision that is %s', (why, atMs) => {
    const { view, decide } = world()
    expect(view.apply(decide({}, startMs + atMs))).toBe(why)
    expect(view.isEmpty()).toBe(true)
  })

  test('refuses a decision that would outlive a month', () => {
    const { view, decide } = world()
    const endless = signer.sign({ ...decide(), expires: '2036-01-01T00:00:00.000Z' })
    expect(view.apply(endless)).toBe('too_long')
  })

  test('lets a rule gone wild act on no more values than its cap, and frees places as they expire', () => {
    const { view, clock, decide } = world({ maxPerRule: 3 })
    const wild = (n: number): Decision => decide({ rule: 'wild', value: `p${n}`, lifeMs: minute })
    const all = Array.from({ length: 1000 }, (_, n) => view.apply(wild(n)))
    expect(all.filter(each => each === 'applied')).toHaveLength(3)
    expect(new Set(all)).toEqual(new Set(['applied', 'over_cap']))
    expect(view.list()).toHaveLength(3)
    // Neither a watching decision, nor another rule, nor an operator is held back by it.
    expect(view.apply(decide({ rule: 'wild', value: 'x', action: 'observe' }))).toBe('applied')
    expect(view.apply(decide({ rule: 'calm', value: 'y' }))).toBe('applied')
    expect(view.apply(decide({ value: 'z' }))).toBe('applied')
    clock.ms += 2 * minute
    expect(view.apply(wild(1001))).toBe('applied')
  })

  test('is bounded, and refuses the new rather than lift what is in force', () => {
    const { view, clock, decide } = world({ maxDecisions: 100 })
    for (let n = 0; n < 300; n++) view.apply(decide({ value: `p${n}` }))
    expect(view.list()).toHaveLength(100)
    expect(view.apply(decide({ value: 'one more' }))).toBe('full')
    expect(view.find('principal/p0')?.action).toBe('block')
    expect(view.apply(decide({ value: 'p0', action: 'observe' }, startMs + 1))).toBe('applied')
    clock.ms += 61 * minute
    expect(view.apply(decide({ value: 'one more' }))).toBe('applied')
    expect(view.list()).toHaveLength(1)
  })

  test('comes to the same whatever the order in which decisions arrive, and however often', () => {
    const draft = fc.tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 0, max: 50 }))
    const orders = fc
      .array(draft, { maxLength: 20 })
      .chain(drafts =>
        fc.tuple(
          fc.constant(drafts),
          fc.shuffledSubarray([...drafts, ...drafts], { minLength: 2 * drafts.length }),
        ),
      )
    fc.assert(
      fc.property(orders, ([one, two]) => {
        expect(outcome(two)).toEqual(outcome(one))
      }),
    )
  })
})

describe('a snapshot', () => {
  const { decide } = world()
  const decisions = [decide(), decide({ value: 'bob' })]
  const text = sealSnapshot(signer, { takenMs: startMs, decisions })

  test('opens as it was sealed', () => {
    expect(openSnapshot(verifier, text)).toEqual({ takenMs: startMs, decisions })
  })

  test.each<[string, string]>([
    ['sealed by a stranger', sealSnapshot(stranger, { takenMs: startMs, decisions })],
    ['with a decision taken out', text.replace(JSON.stringify(decisions[0]), '').replace('[,', '[')],
    ['with another time', text.replace(`${startMs}`, `${startMs + 1}`)],
    ['cut short', text.slice(0, -3)],
    ['without its content', text.slice(0, text.indexOf('\n') + 1)],
    ['with the signature of a decision', `${decisions[0]?.signature}\n${text.slice(text.indexOf('\n') + 1)}`],
    ['that is empty', ''],
  ])('does not open %s', (_, changed) => {
    expect(openSnapshot(verifier, changed)).toBeUndefined()
  })

  test('cannot be made of a decision, nor a decision of a snapshot', () => {
    const [first] = decisions
    expect(openSnapshot(verifier, `${first?.signature}\n${JSON.stringify(first)}`)).toBeUndefined()
    expect(readDecision(verifier, bytes({ ...first, signature: text.slice(0, text.indexOf('\n')) }))).toBe(
      'forged',
    )
  })
})

test('what a view holds is read again without its signature, and nothing that differs from it in any field', () => {
  const { view, decide } = world()
  const good = decide()
  view.apply(JSON.parse(JSON.stringify(readDecision(verifier, bytes(good)))))
  const nobody = createControlVerifier([stranger.publicKey])
  expect(readDecision(nobody, bytes(good), view)).toEqual(good)
  for (const change of [
    { version: good.version + 1 },
    { action: 'observe' },
    { expires: '2026-12-01T00:00:00.000Z' },
  ])
    expect(readDecision(nobody, bytes({ ...good, ...change }), view)).toBe('forged')
})
