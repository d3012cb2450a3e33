// Whether the time in which an API key is compared tells anything of it: wrong ones that differ from a real one early, late, or in their id.
import { apiKeys, createApiKeyAdmin, openMemoryShelf } from '@muniment/auth'
import { randomBytes } from 'node:crypto'
import type { Figure } from './figure.ts'

const trials = 100_000
const warmUp = 5000

/** The key with another character in one place. */
function altered(key: string, at: number): string {
  return `${key.slice(0, at)}${key[at] === 'a' ? 'b' : 'a'}${key.slice(at + 1)}`
}

/** Of all pairs of the two samples, the share in which the first is slower; 0.5 where nothing tells them apart. */
function slowerShare(one: Float64Array, other: Float64Array): number {
  const all = [...one].map((time): readonly [number, number] => [time, 0])
  for (const time of other) all.push([time, 1])
  all.sort(([a], [b]) => a - b)
  let [below, wins] = [0, 0]
  for (let from = 0; from < all.length;) {
    let to = from
    while (to < all.length && all[to]?.[0] === all[from]?.[0]) to += 1
    const others = all.slice(from, to).filter(([, side]) => side === 1).length
    wins += (to - from - others) * (below + others / 2)
    below += others
    from = to
  }
  return wins / (one.length * other.length)
}

async function timed(check: ReturnType<typeof apiKeys>['check'], text: string): Promise<number> {
  const header = (name: string): string | undefined => (name === 'x-api-key' ? text : undefined)
  const start = performance.now()
  const found = check({ method: 'POST', target: '/mcp', header })
  if (found instanceof Promise) await found
  return performance.now() - start
}

function figure(name: string, value: number): Figure {
  const said = `${name}, share of slower pairs in ${trials} trials`
  return { name: said, value, unit: 'of 1', reference: 0.5, ratio: value / 0.5 }
}

/** The effect between kinds of wrong keys, in this process and without a network: 0.5 is none, within 0.05 of it is small. */
export async function keyFigures(): Promise<readonly Figure[]> {
  const shelves = { keys: openMemoryShelf(), uses: openMemoryShelf() }
  const admin = createApiKeyAdmin({ ...shelves, now: Date.now, randomBytes })
  const { key } = await admin.create({ name: 'bench', tenant: 'default', scopes: [] })
  const { check } = apiKeys({ ...shelves, now: Date.now })
  const kinds = [
    altered(key, key.length - 2),
    altered(key, key.lastIndexOf('_') + 1),
    altered(key, 'mun_'.length + 2),
  ]
  const times = kinds.map(() => new Float64Array(trials))
  for (let trial = -warmUp; trial < trials; trial++)
    for (let turn = 0; turn < kinds.length; turn++) {
      // Each is as often first as it is last.
      const kind = (turn + trial + warmUp) % kinds.length
      const taken = await timed(check, kinds[kind] ?? '')
      if (trial >= 0) (times[kind] ?? new Float64Array())[trial] = taken
    }
  const [last = new Float64Array(), first = new Float64Array(), nobody = new Float64Array()] = times
  return [
    figure('a key wrong at the end beside one wrong at the beginning', slowerShare(last, first)),
    figure('a key wrong at the end beside one of an unknown id', slowerShare(last, nobody)),
  ]
}
