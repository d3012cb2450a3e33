// Several ways to one server, compared call by call.
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { Figure } from './figure.ts'

/** One way to a server that has the tool `echo`, and what its calls took. */
export interface Way {
  readonly name: string
  readonly client: Client
  readonly timesMs: number[]
}

/** How often the ways take turns, and how many calls a turn has; the first two turns are warm-up. */
export interface Turns {
  readonly rounds: number
  readonly callsPerRound: number
}

/** Connects a client of its own over a transport that nobody has started. */
export async function openWay(name: string, transport: Parameters<Client['connect']>[0]): Promise<Way> {
  const client = new Client({ name: 'bench', version: '0' })
  await client.connect(transport)
  return { name, client, timesMs: [] }
}

async function play({ client, timesMs }: Way, message: string, calls: number): Promise<void> {
  for (let n = 0; n < calls; n++) {
    const begin = performance.now()
    await client.callTool({ name: 'echo', arguments: { message } })
    timesMs.push(performance.now() - begin)
  }
}

/** Times calls with a message of so many bytes. The ways take turns, so that all meet the same noise. */
export async function compare(ways: readonly Way[], bytes: number, turns: Turns): Promise<void> {
  const message = 'x'.repeat(bytes)
  for (let round = 0; round < turns.rounds; round++)
    for (const way of ways) {
      if (round <= 1) way.timesMs.length = 0
      await play(way, message, turns.callsPerRound)
    }
}

function at({ timesMs }: Way, share: number): number {
  return timesMs.toSorted((a, b) => a - b)[Math.floor(timesMs.length * share)] ?? NaN
}

/** What a way adds to a call beside the direct one, at p50 and p99. */
export function added(size: string, way: Way, direct: Way): Figure[] {
  return [0.5, 0.99].map(share => ({
    name: `${size}: added by ${way.name}, p${share * 100}`,
    value: at(way, share) - at(direct, share),
    unit: 'ms',
    reference: at(direct, share),
    ratio: at(way, share) / at(direct, share),
  }))
}
