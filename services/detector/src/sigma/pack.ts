import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { AppError } from '@muniment/schema'
import { compileRule, type Rule } from './rule.ts'

/** The rules in force and one digest that names them all. */
export interface RulePack {
  readonly rules: readonly Rule[]
  readonly digest: string
  readonly byName: ReadonlyMap<string, Rule>
}

const shipped = new URL('../../rules/', import.meta.url)

/** Reads every `*.yml` of a folder (default: the shipped pack); throws `CONFIG_INVALID` on the first rule that cannot be trusted, or that ships without tests. */
export function loadRules(folder: URL = shipped): RulePack {
  const names = readdirSync(folder)
    .filter(name => name.endsWith('.yml'))
    .toSorted()
  const rules = names.map(name => compileRule(name.slice(0, -4), readFileSync(new URL(name, folder), 'utf8')))
  const untested = rules.find(rule => rule.mustFire.length === 0)
  if (untested !== undefined) throw new AppError('CONFIG_INVALID', `rule ${untested.name} has no tests`)
  const digest = createHash('sha256')
  for (const rule of rules) digest.update(`${rule.id}:${rule.version}\n`)
  return {
    rules,
    digest: digest.digest('hex').slice(0, 16),
    byName: new Map(rules.map(rule => [rule.name, rule])),
  }
}
