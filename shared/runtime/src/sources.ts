import { invalid, nearest } from './invalid.ts'
import { isSectionName, sections, type Section, type SectionName } from './sections.ts'
import { settings, type Setting, type SettingName } from './settings.ts'
import { isMap, parseYaml, type Yaml } from './yaml.ts'

/** A value as it was written, and where: the name to use in messages. */
interface Written {
  readonly text: string
  readonly as: string
}

/** What was set, by setting. */
export type WrittenSettings = ReadonlyMap<SettingName, Written>

/** Environment variables, as a process has them. */
export type Environment = Readonly<Record<string, string | undefined>>

const prefixes = ['MUNIMENT_', 'MASK_PII_']
// Read by test runners, which pass their environment on to what they start.
const ignoredPrefix = 'MUNIMENT_TEST_'

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settings, name)
}

/** The table by name, for those that go through all of it. */
export const entries: readonly (readonly [SettingName, Setting])[] = Object.keys(settings)
  .filter(isSettingName)
  .map(name => [name, settings[name]])

function isOurs(variable: string): boolean {
  return prefixes.some(prefix => variable.startsWith(prefix)) && !variable.startsWith(ignoredPrefix)
}

const byVariable = new Map(entries.map(([name, { env }]) => [env, name]))

function unknown(name: string, known: readonly string[]): Error {
  const meant = nearest(name, known)
  const hint = meant === undefined ? undefined : `Did you mean ${meant}?`
  return invalid(name.slice(0, 100), 'is not a setting.', hint)
}

function unknownInFile(name: string): Error {
  const [top = ''] = name.split('.')
  if (isSectionName(top))
    return invalid(
      `${name.slice(0, 100)} in muniment.yaml`,
      'is not a setting.',
      `Write it nested, under ${top}:.`,
    )
  const meant = nearest(top, Object.keys(sections))
  return meant === undefined ? unknown(name, Object.keys(settings)) : unknown(top, [meant])
}

/** What the environment sets. An empty variable counts as absent; an unknown one of ours stops the start. */
export function fromEnvironment(env: Environment): WrittenSettings {
  const found = new Map<SettingName, Written>()
  for (const [variable, text] of Object.entries(env)) {
    const name = byVariable.get(variable)
    if (name === undefined && !isOurs(variable)) continue
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

function sectionOf(name: SectionName, { value, lineOf }: Yaml): Section {
  return { name, value: value[name], lineOf: path => lineOf([name, ...path]) }
}

/** What `muniment.yaml` says. */
export interface WrittenFile {
  readonly settings: WrittenSettings
  readonly sections: Readonly<Partial<Record<SectionName, Section>>>
}

function settingsIn(map: Readonly<Record<string, unknown>>): WrittenSettings {
  const found = new Map<SettingName, Written>()
  for (const [name, value] of leaves(map, '')) {
    if (!isSettingName(name)) throw unknownInFile(name)
    if (found.has(name)) throw invalid(`${name} in muniment.yaml`, 'is set twice.')
    if (value !== null) found.set(name, { text: asText(name, value), as: `${name} in muniment.yaml` })
  }
  return found
}

/** Who leaves a section open would believe in what it once said. */
function emptySection(name: SectionName, { lineOf }: Yaml): Error {
  return invalid(
    `${name} in muniment.yaml (line ${lineOf([name])})`,
    'is a section with nothing in it.',
    `Write what it says below it, or remove it; \`${name}: {}\` says that nothing is meant.`,
  )
}

/** Reads the file; a setting without a value counts as absent. */
export function fromYaml(text: string): WrittenFile {
  const yaml = parseYaml(text)
  const names = Object.keys(yaml.value).filter(isSectionName)
  const rest = Object.entries(yaml.value).filter(([name]) => !isSectionName(name))
  const empty = names.find(name => yaml.value[name] === null)
  if (empty !== undefined) throw emptySection(empty, yaml)
  return {
    settings: settingsIn(Object.fromEntries(rest)),
    sections: Object.fromEntries(names.map(name => [name, sectionOf(name, yaml)])),
  }
}
