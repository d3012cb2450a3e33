// What policies may know of a call's arguments: their shape always, their values where the tool's own schema says what they are.
import { isMembers, member } from '../../json.ts'
import { isFoul } from './names.ts'

/** A type of Cedar, as its schema in JSON writes it. */
type CedarType =
  | { readonly type: 'String' | 'Long' | 'Boolean' }
  | { readonly type: 'Set'; readonly element: CedarType }
  | { readonly type: 'Record'; readonly attributes: CedarAttributes }

export type CedarAttributes = Readonly<Record<string, CedarType & { readonly required: boolean }>>

/** A value of Cedar in JSON. */
export type CedarValue = string | number | boolean | CedarValue[] | { [name: string]: CedarValue }

const deepest = 6
const mostNames = 200
const longestText = 10_000
/** Half a character: what a server makes of it, nobody knows. */
const half = /\p{Cs}/u
const plainTypes: Readonly<Record<string, CedarType>> = {
  string: { type: 'String' },
  integer: { type: 'Long' },
  boolean: { type: 'Boolean' },
}

function isPlainName(name: string): boolean {
  // Cedar reads __entity and __extn as something else than a name.
  return !isFoul(name) && !name.startsWith('__')
}

function typeOf(schema: unknown, depth: number): CedarType | undefined {
  const type = member(schema, 'type')
  if (typeof type !== 'string' || depth > deepest) return undefined
  if (type === 'array') {
    const element = typeOf(member(schema, 'items'), depth + 1)
    return element && { type: 'Set', element }
  }
  return type === 'object'
    ? { type: 'Record', attributes: attributesOf(schema, depth + 1) }
    : plainTypes[type]
}

/** The properties of a JSON Schema that Cedar can express: texts, whole numbers, truths, and lists and objects of them. */
export function attributesOf(schema: unknown, depth = 0): CedarAttributes {
  const properties = member(schema, 'properties')
  const required = member(schema, 'required')
  const attributes: Record<string, CedarType & { readonly required: boolean }> = {}
  if (!isMembers(properties)) return attributes
  for (const [name, property] of Object.entries(properties).slice(0, mostNames)) {
    const type = isPlainName(name) ? typeOf(property, depth) : undefined
    if (type !== undefined)
      attributes[name] = { ...type, required: Array.isArray(required) && required.includes(name) }
  }
  return attributes
}

function setOf(value: unknown, element: CedarType): CedarValue[] | undefined {
  if (!Array.isArray(value) || value.length > mostNames) return undefined
  const values = value.flatMap(one => valueOf(one, element) ?? [])
  return values.length === value.length ? values : undefined
}

function plainValueOf(value: unknown, type: 'String' | 'Long' | 'Boolean'): CedarValue | undefined {
  if (type === 'Boolean') return typeof value === 'boolean' ? value : undefined
  if (type === 'Long') return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined
  return typeof value === 'string' && value.length <= longestText && !half.test(value) ? value : undefined
}

/** `undefined` where the value is none of that type: then nobody knows what a policy would say of it. */
function valueOf(value: unknown, type: CedarType): CedarValue | undefined {
  if (type.type === 'Set') return setOf(value, type.element)
  if (type.type !== 'Record') return plainValueOf(value, type.type)
  return isMembers(value) ? recordOf(value, type.attributes) : undefined
}

function folded(name: string): string {
  return name.normalize('NFKC').toLowerCase().toUpperCase()
}

/** A server that does not mind the case of names would take these for those that a policy judged. */
function hasLookAlike(given: readonly string[], attributes: CedarAttributes): boolean {
  const declared = new Set(Object.keys(attributes).map(folded))
  return given.some(name => !Object.hasOwn(attributes, name) && declared.has(folded(name)))
}

/** Arguments as a record of what is declared; `undefined` where they do not fit. */
export function recordOf(
  given: Readonly<Record<string, unknown>>,
  attributes: CedarAttributes,
): Record<string, CedarValue> | undefined {
  const record: Record<string, CedarValue> = {}
  if (hasLookAlike(Object.keys(given), attributes)) return undefined
  for (const [name, type] of Object.entries(attributes)) {
    if (!Object.hasOwn(given, name)) {
      if (type.required) return undefined
      continue
    }
    const value = valueOf(given[name], type)
    if (value === undefined) return undefined
    record[name] = value
  }
  return record
}

/** What is known of arguments without knowing what they mean. */
export interface Shape {
  readonly names: readonly string[]
  readonly count: number
  readonly depth: number
  /** Characters of all texts, names included. */
  readonly characters: number
}

interface Walk {
  depth: number
  characters: number
  left: number
}

function walk(value: unknown, depth: number, seen: Walk): void {
  seen.left -= 1
  seen.depth = Math.max(seen.depth, depth)
  if (typeof value === 'string') seen.characters += value.length
  if (typeof value !== 'object' || value === null || seen.left < 0) return
  for (const [name, one] of Object.entries(value)) {
    if (!Array.isArray(value)) seen.characters += name.length
    walk(one, depth + 1, seen)
    if (seen.left < 0) return
  }
}

const mostParts = 20_000
const deepestShape = 64

/** `undefined` for what is too much to be looked at, or has names that could be taken for others. */
export function shapeOf(given: Readonly<Record<string, unknown>>): Shape | undefined {
  const names = Object.keys(given)
  const seen: Walk = { depth: 0, characters: 0, left: mostParts }
  if (names.length > mostNames || names.some(isFoul)) return undefined
  walk(given, 0, seen)
  if (seen.left < 0 || seen.depth > deepestShape) return undefined
  return { names, count: names.length, depth: seen.depth, characters: seen.characters }
}
