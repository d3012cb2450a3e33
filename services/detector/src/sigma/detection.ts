import { compileCondition } from './condition.ts'
import { allOf, everyText, someOf, type Clause } from './facts.ts'
import { fieldsOf, refuse, scalarOf, textOf, type Fields } from './read.ts'
import { compileField, type Placeholders } from './value.ts'

/** A detection or filter, compiled. */
export interface Detection {
  readonly clause: Clause
  /** Fields named anywhere in it. */
  readonly fields: ReadonlySet<string>
}

interface Compiler {
  readonly fields: Set<string>
  readonly placeholders: Placeholders
}

/** `|all` and the like in place of a field: keywords. */
function compileLine(compiler: Compiler, name: string, value: unknown): Clause {
  const field = name.split('|')[0] ?? ''
  const values = Array.isArray(value) ? value.map(scalarOf) : [scalarOf(value)]
  if (values.length === 0) refuse(`${name} has an empty list`)
  compiler.fields.add(field === '' ? everyText : field)
  return field === ''
    ? keywords(values, name.slice(1), compiler)
    : compileField(name, values, compiler.placeholders)
}

/** Words that stand somewhere in a text of the event. */
function keywords(values: readonly unknown[], modifiers: string, compiler: Compiler): Clause {
  compiler.fields.add(everyText)
  const line = `${everyText}${modifiers.includes('re') ? '' : '|contains'}${modifiers === '' ? '' : `|${modifiers}`}`
  return compileField(line, values.map(scalarOf), compiler.placeholders)
}

function compileSearch(compiler: Compiler, definition: unknown): Clause {
  if (Array.isArray(definition)) {
    if (definition.length === 0) refuse('a search is an empty list')
    const isWords = definition.every(part => typeof part !== 'object' || part === null)
    if (isWords) return keywords(definition, '', compiler)
    return someOf(
      definition.map(part =>
        typeof part === 'object' ? compileSearch(compiler, part) : keywords([part], '', compiler),
      ),
    )
  }
  if (typeof definition === 'string' || typeof definition === 'number')
    return keywords([definition], '', compiler)
  const lines = Object.entries(fieldsOf(definition, 'a search'))
  if (lines.length === 0) refuse('a search is an empty map')
  return allOf(lines.map(([name, value]) => compileLine(compiler, name, value)))
}

/** Compiles the searches and the condition (or conditions, of which one is enough) of a rule or filter. */
export function compileDetection(block: Fields, placeholders: Placeholders): Detection {
  const { condition, timeframe: _, ...searches } = block
  const compiler: Compiler = { fields: new Set(), placeholders }
  const compiled = new Map(
    Object.entries(searches).map(
      ([name, definition]) => [name, compileSearch(compiler, definition)] as const,
    ),
  )
  const conditions = Array.isArray(condition) ? condition : [condition]
  const clauses = conditions.map(each => compileCondition(textOf(each, 'condition'), compiled))
  return { clause: someOf(clauses), fields: compiler.fields }
}
