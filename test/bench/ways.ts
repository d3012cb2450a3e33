// Several ways to one server, compared call by call.
import { Client as ClientV2, type Transport as TransportV2 } from '@modelcontextprotocol/client'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CpuUs } from './child.ts'
import type { Figure } from './figure.ts'

/** What stands between client and server, if anything does. */
export interface Through {
  readonly name: string
  /** CPU of the process between, up to now. */
  readonly cpuUs?: () => Promise<CpuUs>
}

/** One way to a server that has the tool `echo`, and what its calls took. */
export interface Way extends Through {
  readonly call: (message: string) => Promise<unknown>
  readonly close: () => Promise<void>
  readonly timesMs: number[]
  usedUs: number
}

/** How often the ways take turns, and how many calls a turn has; the first two turns are warm-up. */
export interface Turns {
  readonly rounds: number
  readonly callsPerRound: number
}

type Calls = Pick<Way, 'call' | 'close'>

const info = { name: 'bench', version: '0' }

function echo(message: string): { readonly name: string; readonly arguments: { readonly message: string } } {
  return { name: 'echo', arguments: { message } }
}

/** Connects a client of SDK v1 over a transport that nobody has started. */
export async function clientV1(transport: Parameters<Client['connect']>[0]): Promise<Calls> {
  const client = new Client(info)
  await client.connect(transport)
  return { call: message => client.callTool(echo(message)), close: () => client.close() }
}

/** The same of SDK v2, in the modern era where the server knows it. */
export async function clientV2(transport: TransportV2): Promise<Calls> {
  const client = new ClientV2(info, { versionNegotiation: { mode: 'auto' } })
  await client.connect(transport)
  return { call: message => client.callTool(echo(message)), close: () => client.close() }
}

export function wayOf(through: Through, calls: Calls): Way {
  return { ...through, ...calls, timesMs: [], usedUs: 0 }
}

/** What is done later for a call belongs to it. */
const settleMs = 60

async function cpuOf({ cpuUs }: Way): Promise<number> {
  return cpuUs === undefined ? 0 : (await cpuUs()).process
}

async function play(way: Way, message: string, calls: number): Promise<void> {
  const before = await cpuOf(way)
  for (let n = 0; n < calls; n++) {
    const begin = performance.now()
    await way.call(message)
    way.timesMs.push(performance.now() - begin)
  }
  if (way.cpuUs === undefined) return
  await sleep(settleMs)
  way.usedUs += (await cpuOf(way)) - before
}

/** Times calls with a message of so many bytes. The ways take turns, so that all meet the same noise. */
export async function compare(ways: readonly Way[], bytes: number, turns: Turns): Promise<void> {
  const message = 'x'.repeat(bytes)
  for (let round = 0; round < turns.rounds; round++)
    for (const way of ways) {
      if (round <= 1) Object.assign(way, { timesMs: [], usedUs: 0 })
      await play(way, message, turns.callsPerRound)
    }
}

function at({ timesMs }: Way, share: number): number {
  return timesMs.toSorted((a, b) => a - b)[Math.floor(timesMs.length * share)] ?? NaN
}

/** What the ways take, what the others add to the first, and what the last of them is held to at p50. */
export function figuresOf(title: string, ways: readonly [Way, ...Way[]], barMs?: number): Figure[] {
  const [direct, ...others] = ways
  const out: Figure[] = [{ name: `${title}: through nothing, p50`, value: at(direct, 0.5), unit: 'ms' }]
  for (const way of others) {
    const [p50, p99] = [0.5, 0.99].map(share => at(way, share) - at(direct, share))
    const name = `${title}: added by ${way.name}`
    const bar = way === others.at(-1) ? barMs : undefined
    const held = bar === undefined || p50 === undefined ? {} : { reference: bar, ratio: p50 / bar }
    out.push({ name: `${name}, p50`, value: p50 ?? NaN, unit: 'ms', ...held })
    out.push({ name: `${name}, p99`, value: p99 ?? NaN, unit: 'ms' })
    if (way.cpuUs !== undefined)
      out.push({
        name: `${title}: CPU of ${way.name}`,
        value: way.usedUs / way.timesMs.length,
        unit: 'µs a call',
      })
  }
  return out
}
