import { isMembers } from '../json.ts'

/** How large what a client sends may be, whatever it means. */
export interface ShapeLimits {
  /** Of a request's params, as JSON; default 1 MiB. */
  readonly maxBytes: number
  /** Default 10,000. */
  readonly maxStringLength: number
  /** Default 32. */
  readonly maxDepth: number
  /** Of arguments; default 50. */
  readonly maxParameters: number
}

export const defaultShape: ShapeLimits = {
  maxBytes: 1024 * 1024,
  maxStringLength: 10_000,
  maxDepth: 32,
  maxParameters: 50,
}

const scalarBytes = 8

interface Walk {
  readonly limits: ShapeLimits
  bytes: number
}

function text(walk: Walk, value: string): string | undefined {
  walk.bytes += value.length + 2
  return value.length > walk.limits.maxStringLength ? 'string_too_long' : undefined
}

function visit(walk: Walk, value: unknown, depth: number): string | undefined {
  if (typeof value === 'string') return text(walk, value)
  walk.bytes += scalarBytes
  if (typeof value !== 'object' || value === null) return undefined
  if (depth > walk.limits.maxDepth) return 'too_deep'
  return children(walk, value, depth)
}

function children(walk: Walk, value: object, depth: number): string | undefined {
  for (const [name, inner] of Object.entries(value)) {
    if (!Array.isArray(value)) walk.bytes += name.length
    const fault = visit(walk, inner, depth + 1)
    if (fault !== undefined) return fault
    if (walk.bytes > walk.limits.maxBytes) return 'too_large'
  }
  return undefined
}

/** Names that a template, a shell or a prototype would not mistake for something else. */
const nameForm = /^[A-Za-z_][\w.:$@/-]{0,127}$/u
const forbidden = new Set(['__proto__', 'constructor', 'prototype'])

function nameFault(args: object, { maxParameters }: ShapeLimits): string | undefined {
  const names = Object.keys(args)
  if (names.length > maxParameters) return 'too_many_parameters'
  return names.some(name => forbidden.has(name) || !nameForm.test(name)) ? 'parameter_name' : undefined
}

/** What is wrong with the shape of params, in one word; `undefined` where nothing is. Ends at the first fault, and at a limit. */
export function shapeFault(params: unknown, limits: ShapeLimits): string | undefined {
  const args = isMembers(params) ? params['arguments'] : undefined
  const named = isMembers(args) ? nameFault(args, limits) : undefined
  return named ?? visit({ limits, bytes: 0 }, params, 0)
}
