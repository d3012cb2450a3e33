import { isMembers, member, textMember, type Members } from '../../json.ts'
import { lists, type List, type Use } from './asked.ts'

/** A list with fewer items, and how many it had. */
export interface Filtered {
  readonly message: Members
  readonly hidden: number
  readonly of: number
}

interface Kept {
  readonly items: readonly unknown[]
  readonly of: number
}

/** Before what a template expands to stands this, whatever its variables are. */
function fixedPart(template: string): string {
  const at = template.indexOf('{')
  return at === -1 ? template : template.slice(0, at)
}

/** Whatever its variables are, a template that is shown leads to what may be used; else it must be named as it is. */
function usesOf({ kind, key }: List, item: unknown): readonly Use[] {
  const name = textMember(item, key)
  if (name === undefined) return []
  if (key !== 'uriTemplate') return [{ kind, name }]
  return [name, fixedPart(name)].filter(each => each !== '').map(each => ({ kind, name: each }))
}

function keep(list: List, items: unknown, mayUse: (use: Use) => boolean): Kept | undefined {
  if (!Array.isArray(items)) return undefined
  return { items: items.filter(item => usesOf(list, item).some(mayUse)), of: items.length }
}

/** A list that differs from caller to caller must not be kept for others. */
function ownOnly(result: Members): Members {
  return result['cacheScope'] === undefined ? {} : { cacheScope: 'private' }
}

/**
 * An answer in which lists hold only what may be used. Lists are known by where they stand, not by what was asked: who asks twice under one
 * id must not get one answer for the other. `undefined` where there is none.
 */
export function filterLists(message: Members, mayUse: (use: Use) => boolean): Filtered | undefined {
  const result = member(message, 'result')
  if (!isMembers(result)) return undefined
  const changed: Record<string, unknown> = {}
  let [hidden, all] = [0, 0]
  for (const list of lists.values()) {
    const kept = keep(list, result[list.member], mayUse)
    if (kept === undefined) continue
    changed[list.member] = kept.items
    hidden += kept.of - kept.items.length
    all += kept.of
  }
  if (Object.keys(changed).length === 0) return undefined
  return { message: { ...message, result: { ...result, ...changed, ...ownOnly(result) } }, hidden, of: all }
}
