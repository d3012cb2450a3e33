// What people do wrong when they change a configuration, made from the file itself, so that what is added there is tried too.
import { parseDocument } from 'yaml'

/** A file as somebody left it. */
export interface Mutation {
  readonly name: string
  readonly text: string
  /** What is no longer said, as a path; what stands elsewhere must still hold. */
  readonly without?: string
}

type Path = readonly (string | number)[]

interface Place {
  readonly path: Path
  readonly value: unknown
}

function* places(value: unknown, path: Path = []): Generator<Place> {
  if (path.length > 0) yield { path, value }
  if (typeof value !== 'object' || value === null) return
  for (const [key, one] of Object.entries(value))
    yield* places(one, [...path, Array.isArray(value) ? Number(key) : key])
}

/** Values that may stand in the place of another by mistake. */
const strays: readonly unknown[] = [null, '', 0, -1, 1.5, true, 'x', [], [[]], {}, { x: 1 }]

function isMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'list'
  return value === null ? 'nothing' : typeof value
}

/** Whether a stray value cannot be meant as another one of the same kind. */
function isSlip(stray: unknown, value: unknown): boolean {
  if (kindOf(stray) !== kindOf(value)) return true
  return stray === '' || stray === 0 || stray === -1 || isMap(value)
}

function written(path: Path): string {
  return path.join('.')
}

type Document = ReturnType<typeof parseDocument>

function changed(text: string, change: (document: Document) => void): string {
  const document = parseDocument(text)
  change(document)
  return document.toString()
}

function renamed(text: string, path: Path, name: string): string {
  return changed(text, document => {
    const value = document.getIn(path, true)
    document.deleteIn(path)
    document.setIn([...path.slice(0, -1), name], value)
  })
}

function* ofPlace(text: string, { path, value }: Place): Generator<Mutation> {
  const place = written(path)
  const key = path.at(-1)
  yield { name: `without ${place}`, text: changed(text, document => document.deleteIn(path)), without: place }
  if (typeof key === 'string')
    for (const name of [`${key}x`, key.slice(1), key.toUpperCase()])
      yield { name: `${place} as ${name}`, text: renamed(text, path, name) }
  for (const stray of strays.filter(one => isSlip(one, value)))
    yield {
      name: `${place} = ${JSON.stringify(stray)}`,
      text: changed(text, document => document.setIn(path, stray)),
      // A map with nothing in it says no more than one that is not there.
      ...(isMap(value) && isMap(stray) && { without: place }),
    }
  if (typeof value === 'number')
    yield { name: `${place} as text`, text: changed(text, document => document.setIn(path, String(value))) }
}

/** Slips of the hand, line by line. */
function* ofLine(lines: readonly string[], at: number): Generator<Mutation> {
  const line = lines[at] ?? ''
  const like = (name: string, ...instead: readonly string[]): Mutation => ({
    name: `${name}, line ${at + 1}: ${line.trim()}`,
    text: lines.toSpliced(at, 1, ...instead).join('\n'),
  })
  yield like('twice', line, line)
  yield like('too far in', `  ${line}`)
  yield like('too far in by a tab', `\t${line}`)
  if (line.startsWith('  ')) yield like('too far out', line.slice(2))
  if (line.includes(':')) yield like('no colon', line.replace(':', ''))
  if (line.includes(': ')) yield like('no space', line.replace(': ', ':'))
}

/** All of them, of one YAML file. */
export function* mutationsOf(text: string): Generator<Mutation> {
  const value: unknown = parseDocument(text).toJS()
  for (const place of places(value)) yield* ofPlace(text, place)
  const lines = text.split('\n').filter(line => line.trim() !== '' && !line.trim().startsWith('#'))
  for (const at of lines.keys()) yield* ofLine(lines, at)
}
