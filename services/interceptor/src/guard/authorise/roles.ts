import type { Principal } from '../../record.ts'
import { kinds, type Kind, type Use } from './asked.ts'
import { createNameTable, patternOf, type NameTable, type Pattern } from './names.ts'
import { refuseOption } from './refuse-option.ts'

/** What it takes to use something; each includes the ones before. */
export const accesses = ['read', 'write', 'admin'] as const
export type Access = (typeof accesses)[number]

/** Who has that; each may do what the ones before may. */
export const roles = ['viewer', 'editor', 'admin'] as const
export type Role = (typeof roles)[number]

/** Names of tools, prompts and methods, and URIs of resources; a `*` at the end stands for whatever follows. */
export type Targets = Partial<Readonly<Record<Kind, readonly string[]>>>

/** Whom a role is given to: who fits all that is said. */
export interface RoleRule {
  /** Ids, exactly; `*` for whoever was verified. They count for `issuer` only, and without it for principals that have none. */
  readonly principals?: readonly string[]
  /** Ids of clients, under the same condition. */
  readonly clients?: readonly string[]
  /** All of them are needed. */
  readonly scopes?: readonly string[]
  readonly issuer?: string
  /** How the principal was verified, such as `oauth`. */
  readonly method?: string
}

export type Needs = Partial<Readonly<Record<Access, Targets>>>
export type RoleRules = Partial<Readonly<Record<Role, readonly RoleRule[]>>>

function isNamed(id: string | undefined, ids: readonly string[] | undefined, isOurs: boolean): boolean {
  if (ids === undefined) return true
  if (id === undefined) return false
  return ids.includes('*') || (isOurs && ids.includes(id))
}

function fits(rule: RoleRule, principal: Principal): boolean {
  const { issuer, method, scopes = [] } = rule
  if (issuer !== undefined && principal.issuer !== issuer) return false
  if (method !== undefined && principal.method !== method) return false
  // The same id from another issuer is somebody else.
  const isOurs = principal.issuer === issuer
  if (!isNamed(principal.id, rule.principals, isOurs) || !isNamed(principal.client_id, rule.clients, isOurs))
    return false
  return scopes.every(scope => principal.scopes?.includes(scope) === true)
}

/** The highest role of who called; nobody verified has `anonymous`. */
export function roleOf(
  principal: Principal | undefined,
  rules: RoleRules,
  anonymous: Role | undefined,
): Role | undefined {
  if (principal === undefined) return anonymous
  return roles.findLast(role => rules[role]?.some(rule => fits(rule, principal)) === true)
}

export function includes(role: Role | undefined, access: Access): boolean {
  return role !== undefined && roles.indexOf(role) >= accesses.indexOf(access)
}

/** What it takes to use something; `undefined` where nobody may. */
export type FindAccess = (use: Use) => Access | undefined

/** A prefix must end where a part of the URI ends, or `https://a.example*` would take in `https://a.example.evil`. */
const partEnd = /^$|[/:]$/u

function rowOf(kind: Kind, written: string, option: string): Pattern {
  const pattern = patternOf(written)
  if (pattern === undefined)
    throw refuseOption(option, 'holds what is no name: write names exactly, with a * at their end at most.')
  if (kind === 'resources' && pattern.isPrefix && !partEnd.test(pattern.text))
    throw refuseOption(
      option,
      'has a * in the middle of a part of a URI.',
      'End it with /*, or :* after a scheme.',
    )
  return pattern
}

function tableOf(needs: Needs, kind: Kind): NameTable<Access> {
  const seen = new Map<string, Access>()
  const rows = accesses.flatMap(access =>
    (needs[access]?.[kind] ?? []).map((written): readonly [Pattern, Access] => {
      const option = `needs.${access}.${kind}`
      const before = seen.get(written)
      if (before !== undefined)
        throw refuseOption(
          option,
          `names what needs.${before}.${kind} names too.`,
          'Say of each what it takes, once.',
        )
      seen.set(written, access)
      return [rowOf(kind, written, option), access]
    }),
  )
  return createNameTable(rows)
}

/** Compiles what needs which access. Throws `CONFIG_INVALID` for what is contradictory or no name. */
export function compileNeeds(needs: Needs): FindAccess {
  const tables = new Map(kinds.map(kind => [kind, tableOf(needs, kind)]))
  return ({ kind, name }) => tables.get(kind)?.find(name)
}
