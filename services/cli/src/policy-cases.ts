import { dirname, resolve } from 'node:path'
import type { Asker } from '@muniment/interceptor/guard'
import { AppError } from '@muniment/schema'
import { placedRules, readMap, readRules } from './authorise-file.ts'

type Map = Readonly<Record<string, unknown>>

/** One case of a file: a request, and what must be decided of it. */
export interface PolicyCase {
  readonly name: string
  readonly asker: Asker
  readonly method: string
  readonly resource: string
  readonly params: unknown
  readonly expected: 'permit' | 'deny'
}

/** A file of cases, and the rules that they try. */
export interface PolicyCases {
  readonly rules: Map
  readonly cases: readonly PolicyCase[]
}

function isMap(value: unknown): value is Map {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const caseKeys = ['name', 'principal', 'action', 'resource', 'context', 'expected']
const contextKeys = ['arguments', 'address', 'time', 'risk', 'server', 'tenant']
const principalKeys = ['id', 'issuer', 'client_id', 'scopes', 'method']
/** A Monday at noon, so that the same file gives the same answers at any hour. */
const defaultTime = '2026-01-05T12:00:00Z'
const maxCases = 10_000

function invalid(place: string, problem: string): AppError {
  return new AppError('CONFIG_INVALID', `${place} ${problem}`, {
    hint: '`muniment policy --help` shows a file of cases.',
  })
}

function mapOf(value: unknown, place: string, known: readonly string[]): Map {
  if (value === undefined) return {}
  if (!isMap(value)) throw invalid(place, 'must be a map.')
  const unknown = Object.keys(value).find(key => !known.includes(key))
  if (unknown !== undefined)
    throw invalid(`${place}.${unknown.slice(0, 100)}`, `is not known; known there: ${known.join(', ')}.`)
  return value
}

function textOf(map: Map, key: string, place: string): string | undefined {
  const value = map[key]
  if (value === undefined || typeof value === 'string') return value
  throw invalid(`${place}.${key}`, 'must be a text.')
}

function principalOf(value: unknown, place: string): Asker['principal'] {
  if (value === undefined) return undefined
  const map = mapOf(value, place, principalKeys)
  const [id, issuer, client, method] = ['id', 'issuer', 'client_id', 'method'].map(key =>
    textOf(map, key, place),
  )
  const { scopes = [] } = map
  if (id === undefined)
    throw invalid(`${place}.id`, 'is missing; leave the principal out for somebody not verified.')
  if (!Array.isArray(scopes) || !scopes.every(scope => typeof scope === 'string'))
    throw invalid(`${place}.scopes`, 'must be a list of texts.')
  return {
    id,
    method: method ?? 'oauth',
    scopes,
    ...(issuer !== undefined && { issuer }),
    ...(client !== undefined && { client_id: client }),
  }
}

function askerOf({ principal, context }: Map, place: string): Asker {
  const map = mapOf(context, `${place}.context`, contextKeys)
  const text = (key: string): string | undefined => textOf(map, key, `${place}.context`)
  const timeMs = Date.parse(text('time') ?? defaultTime)
  if (Number.isNaN(timeMs))
    throw invalid(`${place}.context.time`, 'must be a time such as 2026-11-30T08:00:00Z.')
  return {
    principal: principalOf(principal, `${place}.principal`),
    tenant: text('tenant') ?? 'default',
    server: text('server'),
    address: text('address'),
    risk: text('risk') ?? 'none',
    timeMs,
  }
}

function paramsOf(method: string, resource: string, context: unknown): unknown {
  const given = isMap(context) ? context['arguments'] : undefined
  const target = method.startsWith('resources/') ? { uri: resource } : { name: resource }
  return { ...target, ...(given !== undefined && { arguments: given }) }
}

function caseOf(value: unknown, place: string): PolicyCase {
  const map = mapOf(value, place, caseKeys)
  const { expected, context } = map
  if (expected !== 'permit' && expected !== 'deny')
    throw invalid(`${place}.expected`, 'must be permit or deny.')
  const method = textOf(map, 'action', place)
  if (method === undefined) throw invalid(`${place}.action`, 'is missing: a method such as tools/call.')
  const resource = textOf(map, 'resource', place) ?? ''
  const name = textOf(map, 'name', place) ?? `${method} ${resource}`
  return {
    name,
    asker: askerOf(map, place),
    method,
    resource,
    params: paramsOf(method, resource, context),
    expected,
  }
}

function rulesOf(given: unknown, path: string): Map {
  if (typeof given === 'string') return readRules(resolve(dirname(path), given))
  if (isMap(given)) return placedRules(given, dirname(path))
  throw invalid(`${path}: authorise`, 'is missing: the rules, or the file that holds them.')
}

/** Reads a file of cases. Throws `CONFIG_INVALID` with the place of what cannot be meant. */
export function readPolicyCases(path: string): PolicyCases {
  const { authorise, cases } = mapOf(readMap(path), path, ['authorise', 'cases'])
  if (!Array.isArray(cases) || cases.length === 0 || cases.length > maxCases)
    throw invalid(`${path}: cases`, `must be a list of up to ${maxCases}, with something in it.`)
  return {
    rules: rulesOf(authorise, path),
    cases: cases.map((one, at) => caseOf(one, `${path}: cases[${at}]`)),
  }
}
