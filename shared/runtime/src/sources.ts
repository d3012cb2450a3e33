import { LineCounter, parseDocument, visit } from 'yaml'
import { invalid, nearest } from './invalid.ts'
import { settings, type Setting, type SettingName } from './settings.ts'

/** A value as it was written, and where: the name to use in messages. */
interface Written {
  readonly text: string
  readonly as: string
}

/** What was set, by setting. */
export type WrittenSettings = ReadonlyMap<SettingName, Written>

/** Environment variables, as a process has them. */
export type Environment = Readonly<Record<string, string | undefined>>

const prefix = 'MUNIMENT_'
// Read by test runners, which pass their environment on to what they start.
const ignoredPrefix = 'MUNIMENT_TEST_'
const maxYamlLength = 1_000_000

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settings, name)
}

/** The table by name, for those that go through all of it. */
export const entries: readonly (readonly [SettingName, Setting])[] = Object.keys(settings)
  .filter(isSettingName)
  .map(name => [name, settings[name]])

const byVariable = new Map(entries.map(([name, { env }]) => [env, name]))

function unknown(name: string, known: readonly string[]): Error {
  const meant = nearest(name, known)
  const hint = meant === undefined ? undefined : `Did you mean ${meant}?`
  return invalid(name.slice(0, 100), 'is not a setting.', hint)
}

/** What the environment sets. An empty variable counts as absent; an unknown one of ours stops the start. */
export function fromEnvironment(env: Environment): WrittenSettings {
  const found = new Map<SettingName, Written>()
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith(prefix) || variable.startsWith(ignoredPrefix)) continue
    const name = byVariable.get(variable)
    if (name === undefined) throw unknown(variable, [...byVariable.keys()])
    if (text !== undefined && text !== '') found.set(name, { text, as: variable })
  }
  return found
}

function asText(name: string, value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw invalid(`${name} in muniment.yaml`, 'must be one value.')
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Nested maps and dotted names are the same thing. */
function* leaves(
  map: Readonly<Record<string, unknown>>,
  above: string,
): Generator<readonly [string, unknown]> {
  for (const [key, value] of Object.entries(map)) {
    const name = above === '' ? key : `${above}.${key}`
    if (isMap(value) && !isSettingName(name)) yield* leaves(value, name)
    else yield [name, value]
  }
}

function parseYaml(text: string): Readonly<Record<string, unknown>> {
  if (text.length > maxYamlLength)
    throw invalid('muniment.yaml', `is longer than ${maxYamlLength} characters.`)
  const lines = new LineCounter()
  // Pretty errors would quote the text, which may hold a password.
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines, schema: 'core' })
  const [error] = document.errors
  if (error !== undefined)
    throw invalid('muniment.yaml', `is not YAML: ${error.code} in line ${lines.linePos(error.pos[0]).line}.`)
  // Nothing here needs aliases, and they can blow a small file up.
  visit(document, {
    Alias() {
      throw invalid('muniment.yaml', 'uses an alias (*name): write the value out.')
    },
  })
  const value: unknown = document.toJS()
  if (value === null || value === undefined) return {}
  if (!isMap(value)) throw invalid('muniment.yaml', 'must be a map of settings.')
  return value
}

/** What `muniment.yaml` sets; a name without a value counts as absent. */
export function fromYaml(text: string): WrittenSettings {
  const found = new Map<SettingName, Written>()
  for (const [name, value] of leaves(parseYaml(text), '')) {
    if (!isSettingName(name)) throw unknown(name, Object.keys(settings))
    if (found.has(name)) throw invalid(`${name} in muniment.yaml`, 'is set twice.')
    if (value !== null) found.set(name, { text: asText(name, value), as: `${name} in muniment.yaml` })
  }
  return found
}
