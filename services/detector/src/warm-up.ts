import { classify } from './classify.ts'
import type { RulePack } from './sigma/pack.ts'
import type { EventRules } from './signal.ts'

/** Patterns are compiled when they are first used and once more when they are used often: as many rounds as both take. */
const rounds = 3

/** Packs whose patterns this process has compiled. */
const warm = new Set<string>()

/** Looks at the rules' own examples, so that no event has to wait until patterns are compiled. */
export function warmUp({ rules, digest }: RulePack, arranged: EventRules): void {
  if (warm.has(digest)) return
  warm.add(digest)
  const examples = rules.flatMap(({ mustFire, mustNotFire }) => [...mustFire, ...mustNotFire])
  for (let round = 0; round < rounds; round += 1) {
    for (const { kind = 'tool_args', text, arguments: args } of examples) {
      if (typeof kind !== 'string' || (text === undefined && args === undefined)) continue
      classify({ kind, text: typeof text === 'string' ? text : '', arguments: args }, arranged)
    }
  }
}
