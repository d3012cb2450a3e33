import { readdirSync, statSync } from 'node:fs'
import type { Logger } from '@muniment/runtime'
import { loadRules, type RulePack } from './sigma/pack.ts'

/** Rules that may change while they are in use. */
export interface RuleSource {
  /** The newest pack that could be trusted. */
  readonly current: () => RulePack
}

/** What a source of rules is made of. */
export interface RuleSourceOptions {
  /** Folders beside the shipped pack. */
  readonly folders: readonly URL[]
  readonly log: Logger
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

const lookEveryMs = 2_000

/** What the folders hold, as far as names, sizes and times tell. */
function stateOf(folders: readonly URL[]): string {
  return folders
    .flatMap(folder =>
      readdirSync(folder)
        .toSorted()
        .map(name => {
          const { size, mtimeMs } = statSync(new URL(name, folder))
          return `${name}:${size}:${mtimeMs}`
        }),
    )
    .join('\n')
}

/**
 * Rules from the shipped pack and from folders, read again when a folder changes. Throws `CONFIG_INVALID` if they cannot be trusted at first; later
 * the old ones stay in force until the new ones can be.
 */
export function createRuleSource({ folders, log, now }: RuleSourceOptions): RuleSource {
  let pack = loadRules(...folders)
  let state = stateOf(folders)
  let lookedMs = now()
  const look = (): void => {
    try {
      const found = stateOf(folders)
      if (found === state) return
      state = found
      pack = loadRules(...folders)
      log.info('detector.rules_loaded', { rules: pack.rules.length, digest: pack.digest })
    } catch (error) {
      log.error('detector.rules_refused', { error })
    }
  }
  return {
    current: () => {
      if (folders.length > 0 && now() - lookedMs >= lookEveryMs) {
        lookedMs = now()
        look()
      }
      return pack
    },
  }
}
