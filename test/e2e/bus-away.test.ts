// The broker stops answering while calls go on.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { inherited } from '../lanes/environment.ts'
import { describeLanes } from '../lanes/lanes.ts'
import { expectVerified } from './conservation.ts'
import { ask, rowsOf } from './installation.ts'
import { openProduction, type Production } from './production.ts'

const program = fileURLToPath(import.meta.resolve('../fixtures/pacer.ts'))
const outcome = z.object({ made: z.number(), p99Ms: z.number(), residentBytes: z.number() })
const mebibyte = 1024 * 1024
const patience = { timeout: 60_000, interval: 1000 }

/** Longer than one publish may take, so that every fault that an absence leads to has time to show. */
const awayMs = 60_000
const pauseMs = 10

type Outcome = z.infer<typeof outcome>

interface Pacer extends AsyncDisposable {
  readonly call: (
    calls: number,
    options: { readonly pauseMs: number; readonly bytes: number },
  ) => Promise<Outcome>
  readonly end: () => Promise<void>
}

async function startPacer(env: Readonly<Record<string, string>>): Promise<Pacer> {
  const child = spawn(process.execPath, [program], { env: inherited(env), stdio: ['pipe', 'pipe', 'ignore'] })
  child.stdin.on('error', () => undefined)
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  await lines.next()
  return {
    call: async (calls, options) => {
      child.stdin.write(`${calls} ${options.pauseMs} ${options.bytes}\n`)
      const { value } = await lines.next()
      return outcome.parse(JSON.parse(String(value)))
    },
    end: async () => {
      child.stdin.end()
      await exited
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}

const callRow = z.object({ seq: z.number(), call: z.coerce.number() })
const callsSql = `select source_seq as seq, json_extract_string(request, '$.params.arguments.call') as call
  from events where method = 'tools/call' and archived order by partition_offset`
const gapRow = z.object({ raw: z.string() })
const gapShape = z.object({
  gap: z.object({ from_seq: z.number(), to_seq: z.number(), count: z.number(), reason: z.string() }),
})

describeLanes(['kafka', 's3', 'secrets'], 'a bus that is away', () => {
  let it: Production
  beforeAll(async () => {
    it = await openProduction()
  }, 120_000)
  afterAll(async () => {
    it.site.broker.resume()
    await it[Symbol.asyncDispose]()
  }, 60_000)

  test('for a minute under load: calls are not slowed, memory stays bounded, everything arrives in order', async () => {
    const ringMaxBytes = 4 * mebibyte
    await using pacer = await startPacer({ ...it.interceptor, MUNIMENT_RING_MAX_BYTES: String(ringMaxBytes) })
    const load = { pauseMs, bytes: 1000 }
    await pacer.call(500, load)
    const before = await pacer.call(1000, load)
    it.site.broker.pause()
    const leftAt = performance.now()
    const during: Outcome[] = []
    while (performance.now() - leftAt < awayMs) during.push(await pacer.call(500, load))
    it.site.broker.resume()
    const last = await pacer.call(500, load)

    const slowest = during.map(({ p99Ms }) => p99Ms).toSorted((a, b) => a - b)
    const median = slowest[Math.floor(slowest.length / 2)] ?? Infinity
    expect(median).toBeLessThan(before.p99Ms * 2 + 5)
    const grown = Math.max(...during.map(({ residentBytes }) => residentBytes)) - before.residentBytes
    expect(grown).toBeLessThan(ringMaxBytes + 96 * mebibyte)

    await vi.waitFor(async () => {
      const calls = await rowsOf(it.reader, callsSql, callRow)
      expect(calls).toHaveLength(last.made)
    }, patience)
    const calls = await rowsOf(it.reader, callsSql, callRow)
    expect(calls.map(({ call }) => call)).toEqual(Array.from({ length: last.made }, (_, index) => index + 1))
    await pacer.end()
    await expectVerified(it)
  }, 240_000)

  test('until ring and spool are full: the loss is counted, and gap events name exactly what is missing', async () => {
    const limits = { MUNIMENT_RING_MAX_BYTES: '262144', MUNIMENT_SPOOL_MAX_BYTES: String(mebibyte) }
    let calls: readonly z.infer<typeof callRow>[] = []
    let gaps: readonly z.infer<typeof gapShape>['gap'][] = []
    await using pacer = await startPacer({ ...it.interceptor, ...limits, MUNIMENT_TENANT: 'full' })
    await pacer.call(20, { pauseMs: 1, bytes: 1000 })
    it.site.broker.pause()
    await pacer.call(1500, { pauseMs: 2, bytes: 4000 })
    it.site.broker.resume()
    const ofTenant = callsSql.replace('archived', `archived and tenant = 'full'`)
    const { made: lostUntil } = await pacer.call(1, { pauseMs: 0, bytes: 100 })
    let made = lostUntil
    await vi.waitFor(async () => {
      made = (await pacer.call(5, { pauseMs: 1, bytes: 100 })).made
      calls = await rowsOf(it.reader, ofTenant, callRow)
      expect(calls.at(-1)?.call).toBeGreaterThan(lostUntil)
    }, patience)
    const sql = `select raw from events where kind = 'gap' and tenant = 'full' and archived order by source_seq`
    await vi.waitFor(async () => {
      calls = await rowsOf(it.reader, ofTenant, callRow)
      gaps = (await rowsOf(it.reader, sql, gapRow)).map(({ raw }) => gapShape.parse(JSON.parse(raw)).gap)
      expect(calls.length + gaps.reduce((sum, { count }) => sum + count, 0)).toBe(made)
    }, patience)
    expect(gaps.length).toBeGreaterThan(0)
    const isMissing = (seq: number): boolean =>
      gaps.some(({ from_seq, to_seq }) => seq >= from_seq && seq <= to_seq)
    expect(calls.filter(({ seq }) => isMissing(seq))).toEqual([])
    for (const { from_seq, to_seq, count } of gaps) expect(to_seq - from_seq + 1).toBe(count)
    await pacer.end()

    const answer = await ask(['verify'], it.reader)
    expect(`${answer.code} ${answer.stderr}`).toMatch(/^0 ✔/u)
    expect(answer.stderr).toMatch(/lane\.declared/u)
  }, 180_000)
})
