import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sealSnapshot, signDecision, type DecisionDraft } from '@muniment/keys'
import { parseBatchHeaders, type Decision } from '@muniment/schema'
import { followFile } from '../src/control/file.ts'
import { openHost, type Host } from '../src/host.ts'
import { createIngestKey } from '../src/ingest-key.ts'
import { readSettings } from '../src/main-env.ts'
import type { Problem } from '../src/problem.ts'
import { createFakeClock } from './fake-clock.ts'
import { drained, openLab, writeSnapshot, type Lab } from './support.ts'

let lab: Lab
let other: Lab
let host: Host | undefined
let problems: Problem[] = []
beforeEach(async () => {
  ;[lab, other] = [await openLab(), await openLab()]
  problems = []
})
afterEach(async () => {
  await host?.close(2000)
  host = undefined
  await lab[Symbol.asyncDispose]()
  await other[Symbol.asyncDispose]()
})

const act = {
  method: 'muniment/test',
  outcome: 'ok',
  principal: { id: 'root', method: 'os' },
  details: {},
} as const

function start(more: { readonly ingestKey?: string } = {}): Host {
  host = openHost(readSettings({ home: lab.home, onProblem: one => problems.push(one), ...more }, {}))
  return host
}

function idOf(key: string): string {
  return key.split('.')[0] ?? ''
}

/** The id of the key that something recorded now is sealed to. */
async function sealedTo(): Promise<string> {
  host?.core.act(act)
  await host?.core.flush()
  const last = (await drained(join(lab.home, 'spool'))).at(-1)
  return last === undefined ? 'nothing' : parseBatchHeaders(last.key, last.headers).kid
}

const rotate = { scope: 'ingest_key', value: '*', action: 'rotate', reason: 'test', lifeMs: 60_000 } as const

async function sign(by: Lab, draft: Partial<DecisionDraft>, nowMs = Date.now()): Promise<Decision> {
  const signer = await by.keys.controlSigner()
  return signDecision(
    { ...rotate, public_key: other.ingestKey, ...draft },
    { signer, nowMs, previous: undefined },
  )
}

async function publish(by: Lab, decisions: readonly Decision[], takenMs = Date.now()): Promise<void> {
  await writeSnapshot(lab.home, sealSnapshot(await by.keys.controlSigner(), { takenMs, decisions }))
}

describe('an interceptor that runs', () => {
  test.each(['found in its home folder', 'set by hand'])(
    'seals to the key that is announced instead of the one %s, without a restart, and so does the next',
    async where => {
      const given = where === 'set by hand' ? { ingestKey: lab.ingestKey } : {}
      start(given)
      expect(await sealedTo()).toBe(idOf(lab.ingestKey))
      await publish(lab, [await sign(lab, {})])
      await expect.poll(sealedTo, { timeout: 5000, interval: 100 }).toBe(idOf(other.ingestKey))
      await host?.close(2000)
      // The bus is away: nothing is told any more.
      await writeFile(join(lab.home, 'control.json'), '')
      start(given)
      expect(await sealedTo()).toBe(idOf(other.ingestKey))
    },
  )
})

/** A key that is followed in a time of its own; gives the id of what is sealed to after the next look. */
function follow(more: { readonly ingestKey?: string } = {}): () => Promise<string> {
  const clock = createFakeClock(Date.now())
  const settings = readSettings({ home: lab.home, onProblem: one => problems.push(one), ...more }, {})
  const { sealer, hear } = createIngestKey(settings, clock)
  followFile(settings, clock, { listen: hear })
  return async () => {
    await clock.advance(50)
    return sealer()?.kid ?? 'nothing'
  }
}

describe('the key to seal to', () => {
  test('stays one of a later generation than what is announced', async () => {
    const [id = '', bytes = ''] = lab.ingestKey.split('.')
    const later = `2-${id.slice(2)}`
    const kid = follow({ ingestKey: `${later}.${bytes}` })
    await publish(lab, [await sign(lab, {})])
    expect(await kid()).toBe(later)
  })

  test.each<[string, () => Promise<void>]>([
    ['signed by somebody else', async () => publish(other, [await sign(other, {})])],
    ['of one tenant', async () => publish(lab, [await sign(lab, { tenant: 'acme' })])],
    ['about another value', async () => publish(lab, [await sign(lab, { value: 'i' })])],
    ['to block, not to rotate', async () => publish(lab, [await sign(lab, { action: 'block' })])],
    ['that has expired', async () => publish(lab, [await sign(lab, { lifeMs: 1 }, Date.now() - 5000)])],
    ['from the future', async () => publish(lab, [await sign(lab, {}, Date.now() + 3_600_000)])],
    ['of a key that is none', async () => publish(lab, [await sign(lab, { public_key: 'none' })])],
    ['without a key', async () => publish(lab, [{ ...(await sign(lab, {})), public_key: undefined }])],
  ])('is not taken from an announcement %s', async (_, attack) => {
    const kid = follow()
    expect(await kid()).toBe(idOf(lab.ingestKey))
    await attack()
    expect(await kid()).toBe(idOf(lab.ingestKey))
    await publish(lab, [await sign(lab, {}, Date.now() + 1000)], Date.now() + 1000)
    expect(await kid()).toBe(idOf(other.ingestKey))
  })

  test('does not go back to what was announced before, replayed in a newer snapshot or to a new process', async () => {
    const older = await sign(lab, {}, Date.now() - 10_000)
    const kid = follow()
    await publish(lab, [await sign(lab, { public_key: lab.ingestKey })])
    expect(await kid()).toBe(idOf(lab.ingestKey))
    await publish(lab, [older], Date.now() + 1000)
    expect(await kid()).toBe(idOf(lab.ingestKey))
    expect(await follow()()).toBe(idOf(lab.ingestKey))
  })

  test('is not taken from a kept announcement that nobody signed', async () => {
    const forged = { ...(await sign(lab, {})), public_key: other.ingestKey, reason: 'mine' }
    await writeFile(join(lab.home, 'ingest-key.json'), JSON.stringify(forged))
    expect(await follow()()).toBe(idOf(lab.ingestKey))
    await writeFile(join(lab.home, 'ingest-key.json'), JSON.stringify(await sign(lab, {})))
    expect(await follow()()).toBe(idOf(other.ingestKey))
  })
})
