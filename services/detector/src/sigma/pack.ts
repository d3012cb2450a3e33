import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { AppError } from '@muniment/schema'
import { parseAllDocuments } from 'yaml'
import { linkCorrelations, type Link } from './link.ts'
import { compileFilter, narrowed, type Filter } from './filter.ts'
import { fieldsOf } from './read.ts'
import { compileDocument, named, type Rule } from './rule.ts'

/** The rules in force and one digest that names them all. */
export interface RulePack {
  readonly rules: readonly Rule[]
  readonly digest: string
  readonly byName: ReadonlyMap<string, Rule>
  /** Per correlation where its events meet, and what it looks at. */
  readonly links: readonly Link[]
}

/** A text with rules, and what they are called after. */
export interface RuleSource {
  readonly name: string
  readonly text: string
}

const shipped = new URL('../../rules/', import.meta.url)

/** The rule files of a folder: every `*.yml`, in order of their names. */
function readRules(folder: URL): readonly RuleSource[] {
  const names = readdirSync(folder)
    .filter(name => name.endsWith('.yml') || name.endsWith('.yaml'))
    .toSorted()
  return names.map(name => ({
    name: name.replace(/\.ya?ml$/u, ''),
    text: readFileSync(new URL(name, folder), 'utf8'),
  }))
}

interface Documents {
  readonly rules: Rule[]
  readonly filters: Filter[]
}

/** Files may hold several documents; the second is called `name-2` and so on, unless it has a name of its own. */
function readSource({ name, text }: RuleSource, into: Documents): void {
  for (const [index, document] of parseAllDocuments(text).entries()) {
    const own = index === 0 ? name : `${name}-${index + 1}`
    named(own, () => {
      const [error] = document.errors
      if (error !== undefined) throw new AppError('CONFIG_INVALID', error.message)
      const raw = fieldsOf(document.toJS({ maxAliasCount: 100 }), 'the rule')
      if (raw['filter'] === undefined) into.rules.push(compileDocument(own, raw, text))
      else into.filters.push(compileFilter(own, raw))
    })
  }
}

/** Compiles rules, correlations and filters into one pack; throws `CONFIG_INVALID` on the first that cannot be trusted. */
export function compilePack(sources: readonly RuleSource[]): RulePack {
  const documents: Documents = { rules: [], filters: [] }
  for (const source of sources) readSource(source, documents)
  const rules = documents.rules.map(rule => narrowed(rule, documents.filters))
  const twice = rules.find((rule, index) => rules.findIndex(other => other.name === rule.name) !== index)
  if (twice !== undefined) throw new AppError('CONFIG_INVALID', `two rules are called ${twice.name}`)
  const digest = createHash('sha256')
  for (const { name, text } of sources) digest.update(JSON.stringify([name, text]))
  return {
    rules,
    digest: digest.digest('hex').slice(0, 16),
    byName: new Map(rules.map(rule => [rule.name, rule])),
    links: linkCorrelations(rules),
  }
}

/** The shipped pack, with the rules of further folders; throws `CONFIG_INVALID` on the first rule that cannot be trusted, or on a shipped one without tests. */
export function loadRules(...folders: readonly URL[]): RulePack {
  const own = readRules(shipped)
  const pack = compilePack([...own, ...folders.flatMap(readRules)])
  const untested = own.find(({ name }) => pack.byName.get(name)?.mustFire.length === 0)
  if (untested !== undefined) throw new AppError('CONFIG_INVALID', `rule ${untested.name} has no tests`)
  return pack
}
