import { AppError } from '@muniment/schema'
import { addressKey } from './address.ts'
import { createShares, maxMembers, type FleetOptions, type Shares } from './fleet.ts'
import type { DoorRequest, DoorVerdict, Guard, GuardPart, Refusal, Subject, Verdict } from './guard.ts'
import type { PolicyNote } from '../record.ts'
import { createQuotas, type Quota, type Quotas, type Taken } from './quota.ts'

/** What is counted together. */
export type LimitBy = 'tenant' | 'principal' | 'tool' | 'address'

/** So much of something in a window of time. */
export interface LimitRule {
  /** Each value of it, or each combination of values, has an allowance of its own. */
  readonly per: LimitBy | readonly LimitBy[]
  readonly amount: number
  readonly windowMs: number
  /** Most that may be spent at once; default the whole amount. */
  readonly burst?: number
}

/** How much may be asked, and how much at a time. */
export interface LimitOptions {
  /** Of HTTP requests, before they are read; default 100 per 15 minutes and address. `[]`: none. */
  readonly door?: readonly LimitRule[]
  /** Of requests to the server; default none. */
  readonly rules?: readonly LimitRule[]
  /** What a call of a tool costs, by its name, where that is not 1. */
  readonly costs?: Readonly<Record<string, number>>
  /** Most calls under way at a time. */
  readonly concurrent?: readonly { readonly per: LimitBy | readonly LimitBy[]; readonly most: number }[]
  /** Where several processes stand in front of one server: `rules` hold for all of them together. Needs a control key. */
  readonly fleet?: FleetOptions
  /** Number of proxies in front that are trusted to add to `X-Forwarded-For`; default 0, and then the field is ignored. */
  readonly trustedProxies?: number
}

type Values = Readonly<Record<LimitBy, string>>

interface Rule {
  readonly by: readonly LimitBy[]
  readonly name: string
  readonly quota: Quota
}

interface Cap {
  readonly by: readonly LimitBy[]
  readonly name: string
  readonly most: number
}

interface State {
  readonly quotas: Quotas
  readonly shares: Shares | undefined
  readonly costs: ReadonlyMap<string, number>
  readonly doorRules: readonly Rule[]
  readonly rules: readonly Rule[]
  readonly caps: readonly Cap[]
  readonly running: Map<string, number>
  readonly held: WeakMap<Subject, readonly string[]>
  readonly trustedProxies: number
}

const quarterHourMs = 15 * 60_000
const defaultDoor: readonly LimitRule[] = [{ per: 'address', amount: 100, windowMs: quarterHourMs }]
/** Without these a client cannot even be told what is wrong with its calls; they cost nothing. */
const free = new Set(['ping', 'initialize', 'server/discover'])
const dimensions: ReadonlySet<string> = new Set(['tenant', 'principal', 'tool', 'address'])

function invalid(message: string): AppError {
  return new AppError('CONFIG_INVALID', message, {
    hint: 'A limit is { per, amount, windowMs, burst? } with positive numbers; per is tenant, principal, tool, address, or a list of them.',
  })
}

function byOf(per: LimitRule['per']): readonly LimitBy[] {
  const by = [per].flat()
  if (by.length > 0 && by.every(one => dimensions.has(one))) return by
  throw invalid(`A limit cannot be counted per ${JSON.stringify(per)}.`)
}

function ruleOf({ per, amount, windowMs, burst = amount }: LimitRule): Rule {
  const by = byOf(per)
  const isSound = [amount, windowMs, burst].every(one => Number.isFinite(one) && one > 0)
  if (!isSound || burst > amount) throw invalid(`A limit of ${amount} in ${windowMs} ms cannot be meant.`)
  return { by, name: by.join('+'), quota: { amount, windowMs, burst } }
}

function capOf({ per, most }: NonNullable<LimitOptions['concurrent']>[number]): Cap {
  if (!Number.isInteger(most) || most < 1) throw invalid(`A cap of ${most} calls at a time cannot be meant.`)
  const by = byOf(per)
  return { by, name: by.join('+'), most }
}

/** Of how many processes a limit is divided among at most. */
function membersOf(fleet: FleetOptions | undefined, rules: readonly Rule[]): number {
  if (fleet === undefined) return 1
  const { members } = fleet
  const burst = Math.min(...rules.map(({ quota }) => quota.burst))
  if (
    Number.isInteger(members) &&
    members > 0 &&
    members <= maxMembers &&
    rules.length > 0 &&
    burst >= members
  )
    return members
  throw new AppError('CONFIG_INVALID', `A limit cannot be divided among ${members} processes.`, {
    hint: `A fleet has 1 to ${maxMembers} members, and a limit of requests with a burst of at least one for each.`,
  })
}

interface Divided {
  readonly rules: readonly Rule[]
  readonly members: number
}

/** What costs more than can ever be spent at once could never be called. */
function costsOf(
  costs: LimitOptions['costs'] = {},
  { rules, members }: Divided,
): ReadonlyMap<string, number> {
  const most = Math.min(...rules.map(({ quota }) => quota.burst)) / members
  for (const [tool, cost] of Object.entries(costs))
    if (!(cost >= 0 && cost <= most)) throw invalid(`The tool ${JSON.stringify(tool)} cannot cost ${cost}.`)
  return new Map(Object.entries(costs))
}

/** The client that the outermost trusted proxy saw; what clients write into the field themselves stands left of that. */
function clientAddress(
  { address, header }: Pick<DoorRequest, 'address' | 'header'>,
  trusted: number,
): string {
  const hops = (header('x-forwarded-for') ?? '').split(',').map(hop => hop.trim())
  const seen = trusted === 0 ? undefined : hops.at(-trusted)
  return addressKey(seen === undefined || seen === '' ? address : seen)
}

/** Whoever is not verified shares what its address has; names that clients give themselves count for nothing. */
function principalKey(principal: Subject['principal'], address: string): string {
  return principal === undefined ? `@${address}` : JSON.stringify([principal.issuer ?? '', principal.id])
}

function keyOf({ by, name }: Pick<Rule, 'by' | 'name'>, values: Values): string {
  return `${name}\n${by.map(one => JSON.stringify(values[one])).join('\n')}`
}

interface Spent {
  readonly rule: Rule
  readonly taken: Taken
}

interface Asked {
  readonly values: Values
  readonly cost: number
}

/** Takes from each allowance, or from none where one is used up. */
function spend({ quotas }: State, rules: readonly Rule[], { values, cost }: Asked): readonly Spent[] {
  const keyed = rules.map(rule => ({ rule, key: keyOf(rule, values) }))
  const looked = keyed.map(({ rule, key }) => ({ rule, taken: quotas.look(key, rule.quota, cost) }))
  if (looked.some(({ taken }) => taken.retryAfterMs !== undefined)) return looked
  for (const { rule, key } of keyed) quotas.take(key, rule.quota, cost)
  return looked
}

function tightest(spent: readonly Spent[]): Spent | undefined {
  return spent.toSorted((a, b) => waitOf(b) - waitOf(a) || a.taken.remaining - b.taken.remaining)[0]
}

function waitOf({ taken }: Spent): number {
  return taken.retryAfterMs ?? 0
}

function note(name: string, reason: string): PolicyNote {
  return { name: `limit/${name}`, decision: 'refuse', reason }
}

function used({ rule: { name, quota } }: Spent): PolicyNote {
  return note(name, `More than ${quota.amount} in ${Math.round(quota.windowMs / 1000)} s.`)
}

function refusalOf({ taken }: Spent): Refusal {
  return { code: 'RATE_LIMITED', retryAfterMs: taken.retryAfterMs ?? 0 }
}

/** Fields of draft-ietf-httpapi-ratelimit-headers: what is left, and of what. */
function fieldsOf(spent: readonly Spent[]): Record<string, string> {
  const least = tightest(spent)
  if (least === undefined) return {}
  const policies = spent.map(
    ({ rule: { name, quota } }) => `"${name}";q=${quota.amount};w=${Math.ceil(quota.windowMs / 1000)}`,
  )
  const { remaining, resetMs } = least.taken
  return {
    'RateLimit-Policy': policies.join(', '),
    RateLimit: `"${least.rule.name}";r=${remaining};t=${Math.ceil(resetMs / 1000)}`,
  }
}

function knock(state: State, request: DoorRequest): DoorVerdict | undefined {
  const { doorRules, trustedProxies } = state
  if (request.method === 'OPTIONS') return undefined
  const address = clientAddress(request, trustedProxies)
  const principal = principalKey(request.principal, address)
  const values = { tenant: request.tenant, principal, tool: '', address }
  const spent = spend(state, doorRules, { values, cost: 1 })
  const worst = tightest(spent)
  const headers = fieldsOf(spent)
  if (worst?.taken.retryAfterMs === undefined) return { headers, notes: [] }
  return { headers, refusal: refusalOf(worst), notes: [used(worst)] }
}

function isOverCap({ caps, running }: State, values: Values): Cap | undefined {
  return caps.find(cap => (running.get(keyOf(cap, values)) ?? 0) >= cap.most)
}

function hold({ caps, running, held }: State, subject: Subject, values: Values): void {
  if (caps.length === 0) return
  const keys = caps.map(cap => keyOf(cap, values))
  for (const key of keys) running.set(key, (running.get(key) ?? 0) + 1)
  held.set(subject, keys)
}

function release({ running, held }: State, subject: Subject): void {
  for (const key of held.get(subject) ?? []) {
    const left = (running.get(key) ?? 1) - 1
    if (left > 0) running.set(key, left)
    else running.delete(key)
  }
  held.delete(subject)
}

function valuesOf({ trustedProxies }: State, subject: Subject): Values {
  const { tenant, principal, target = '', method, address: from, header = () => undefined } = subject
  const address = clientAddress({ address: from, header }, trustedProxies)
  const tool = method === 'tools/call' ? `tool ${target}` : method
  return { tenant, principal: principalKey(principal, address), tool, address }
}

function judge(state: State, subject: Subject): Verdict | undefined {
  const { rules, costs, shares } = state
  if (free.has(subject.method)) return undefined
  const values = valuesOf(state, subject)
  const cap = isOverCap(state, values)
  if (cap !== undefined)
    return {
      refusal: { code: 'RATE_LIMITED', retryAfterMs: 1000 },
      notes: [note(cap.name, `More than ${cap.most} calls at a time.`)],
    }
  const isCall = subject.method === 'tools/call'
  const cost = isCall ? (costs.get(subject.target ?? '') ?? 1) : 1
  // A share of the allowance is spent by paying more: what was paid before a share changed stays paid.
  const parts = shares?.parts(subject) ?? 1
  const worst = tightest(spend(state, rules, { values, cost: cost * parts }))
  if (worst?.taken.retryAfterMs !== undefined) return { refusal: refusalOf(worst), notes: [used(worst)] }
  hold(state, subject, values)
  return undefined
}

/** A guard that lets so many requests through in a time, and so many at a time. */
export function limit(options: LimitOptions = {}): GuardPart {
  const {
    door: doorRules = defaultDoor,
    rules = [],
    concurrent = [],
    costs,
    fleet,
    trustedProxies = 0,
  } = options
  const counted = rules.map(ruleOf)
  const members = membersOf(fleet, counted)
  const parts = {
    doorRules: doorRules.map(ruleOf),
    rules: counted,
    caps: concurrent.map(capOf),
    costs: costsOf(costs, { rules: counted, members }),
    trustedProxies,
  }
  if (!Number.isInteger(trustedProxies) || trustedProxies < 0)
    throw invalid(`${trustedProxies} proxies cannot be trusted.`)
  const judgesRequests = parts.rules.length + parts.caps.length > 0
  return {
    stage: 'limit',
    open: (context): Guard => {
      const quotas = createQuotas(() => performance.now())
      const shares = fleet === undefined ? undefined : createShares(members, context)
      const state: State = { ...parts, quotas, shares, running: new Map(), held: new WeakMap() }
      return {
        ...(parts.doorRules.length > 0 && { door: (asked: DoorRequest) => knock(state, asked) }),
        ...(judgesRequests && { request: (subject: Subject) => judge(state, subject) }),
        ...(parts.caps.length > 0 && { ended: (subject: Subject) => release(state, subject) }),
      }
    },
  }
}
