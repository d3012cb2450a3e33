import type { Random } from './random.ts'

/** What may go wrong by itself at any single call. Each run has some kinds, at rates of its own: rare faults are found where common ones are absent. */
const faultKinds = [
  'publishRefused',
  'publishReplyLost',
  'publishPartial',
  'publishLate',
  'publishStalls',
  'commitFails',
  'describeFails',
  'storeFails',
  'storeReplyLost',
  'stateFails',
  'stateReplyLost',
  'diskFull',
  'poison',
  'keyMissing',
  'forge',
] as const

export type FaultKind = (typeof faultKinds)[number]

/** What a process's surroundings consult. */
export interface Faults {
  readonly happens: (kind: FaultKind) => boolean
  /** Windows in which something is away for everybody. */
  readonly away: Set<'bus' | 'store' | 'disk'>
  /** From now on nothing goes wrong any more. */
  readonly heal: () => void
  readonly isHealed: () => boolean
}

export function createFaults(random: Random): Faults {
  const rates = new Map(
    faultKinds.map(kind => [kind, random.chance(0.5) ? random.between(0.01, 0.2) : 0] as const),
  )
  const away = new Set<'bus' | 'store' | 'disk'>()
  let isHealed = false
  return {
    happens: kind => !isHealed && random.chance(rates.get(kind) ?? 0),
    away,
    heal: () => {
      isHealed = true
      away.clear()
    },
    isHealed: () => isHealed,
  }
}
