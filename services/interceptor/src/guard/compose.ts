import { AppError } from '@muniment/schema'
import { recordRequestsFirst } from '../delivery/record-first.ts'
import type { Members } from '../json.ts'
import type { Settings } from '../settings.ts'
import type { Direction } from '../record.ts'
import { andThen, type Soon } from '../soon.ts'
import {
  stages,
  type DoorRequest,
  type DoorVerdict,
  type Guard,
  type GuardContext,
  type GuardPart,
  type Question,
  type Subject,
  type Verdict,
} from './guard.ts'

type Hook<A extends readonly unknown[] = []> = (
  subject: Subject,
  message: Members,
  ...rest: A
) => Soon<Verdict | undefined>

/** What was said first and what was said after it; the later message stands. */
function joined<V extends Pick<Verdict, 'notes' | 'headers' | 'findings'>>(
  before: V | undefined,
  after: V | undefined,
): V | undefined {
  if (before === undefined || after === undefined) return after ?? before
  const headers =
    before.headers === undefined && after.headers === undefined
      ? {}
      : { headers: { ...before.headers, ...after.headers } }
  const findings = [...(before.findings ?? []), ...(after.findings ?? [])]
  return {
    ...before,
    ...after,
    notes: [...before.notes, ...after.notes],
    ...headers,
    ...(findings.length > 0 && { findings }),
  }
}

/** A question that is open, and what is to be done once it is answered. */
function carried(
  question: Question,
  next: (verdict: Verdict | undefined) => Soon<Verdict | undefined>,
): Verdict {
  return { notes: [], question: { ...question, settle: answer => andThen(question.settle(answer), next) } }
}

/** One hook that asks several, each of what the one before made of the message, until one refuses. */
function chained<A extends readonly unknown[]>(hooks: readonly Hook<A>[]): Hook<A> | undefined {
  const [first, ...others] = hooks
  if (first === undefined || others.length === 0) return first
  const rest = chained(others)
  return (subject, message, ...more) => {
    const go = (verdict: Verdict | undefined): Soon<Verdict | undefined> => {
      if (verdict?.refusal !== undefined || rest === undefined) return verdict
      if (verdict?.question !== undefined) return carried(verdict.question, go)
      return andThen(rest(subject, verdict?.message ?? message, ...more), later =>
        later?.question === undefined
          ? joined(verdict, later)
          : carried(later.question, given => joined(verdict, given)),
      )
    }
    return andThen(first(subject, message, ...more), go)
  }
}

type DoorHook = NonNullable<Guard['door']>

function chainedDoors(hooks: readonly DoorHook[]): DoorHook | undefined {
  const [first, ...others] = hooks
  if (first === undefined || others.length === 0) return first
  const rest = chainedDoors(others)
  return (request: DoorRequest) =>
    andThen(first(request), (verdict): Soon<DoorVerdict | undefined> => {
      if (verdict?.refusal !== undefined || rest === undefined) return verdict
      const { principal = request.principal } = verdict ?? {}
      return andThen(rest({ ...request, principal }), more => joined(verdict, more))
    })
}

function hooksOf<K extends keyof Guard>(guards: readonly Guard[], name: K): NonNullable<Guard[K]>[] {
  return guards.flatMap(guard => guard[name] ?? [])
}

function firstOf(documents: readonly NonNullable<Guard['document']>[], path: string): object | undefined {
  for (const document of documents) {
    const found = document(path)
    if (found !== undefined) return found
  }
  return undefined
}

function compose(guards: readonly Guard[]): Guard {
  const outward = guards.toReversed()
  const ended = hooksOf(guards, 'ended')
  const documents = hooksOf(guards, 'document')
  return {
    door: chainedDoors(hooksOf(guards, 'door')),
    document: documents.length === 0 ? undefined : path => firstOf(documents, path),
    request: chained(hooksOf(guards, 'request')),
    response: chained(hooksOf(outward, 'response')),
    other: otherOf(chained(hooksOf(guards, 'other')), chained(hooksOf(outward, 'other'))),
    ended: ended.length === 0 ? undefined : subject => ended.forEach(each => each(subject)),
  }
}

type OtherHook = Hook<[direction: Direction]>

function otherOf(inward: OtherHook | undefined, outward: OtherHook | undefined): OtherHook | undefined {
  if (inward === undefined || outward === undefined) return inward
  return (subject, message, direction) =>
    (direction === 'client_to_server' ? inward : outward)(subject, message, direction)
}

/** Who asks for masking would believe in it. */
export function needMasking(
  { maskBeforeLlm }: Pick<Settings, 'maskBeforeLlm'>,
  given: GuardPart | readonly GuardPart[] | undefined,
): void {
  const parts = given === undefined ? [] : [given].flat()
  if (maskBeforeLlm !== true || parts.some(({ stage }) => stage === 'mask')) return
  throw new AppError('CONFIG_INVALID', 'MASK_PII_BEFORE_LLM is true, but nothing here masks.', {
    hint: 'Give the guard maskBeforeModel() of @muniment/interceptor/guard, or unset MASK_PII_BEFORE_LLM.',
  })
}

function placeOf({ stage }: GuardPart): number {
  const place = stages.indexOf(stage)
  if (place !== -1) return place
  throw new AppError('CONFIG_INVALID', 'A part of the guard names no place that there is.', {
    hint: `Its stage must be one of ${stages.join(', ')}.`,
  })
}

/** At an edge ids are drawn by the server itself, which its own code may have draw random ones. */
function refuseSessions(given: GuardParts): void {
  if ([given ?? []].flat().every(({ stage }) => stage !== 'sessions')) return
  throw new AppError('CONFIG_INVALID', 'sessions() was given to the HTTP edge of a server.', {
    hint: 'Put `muniment proxy` in front, or give the server a sessionIdGenerator of 32 random bytes and authenticate() its sessions.',
  })
}

/** Where only the door is asked, whoever gives a part that never stands there would believe it at work. */
function checkDoors(guards: readonly Guard[]): void {
  if (guards.every(({ door }) => door !== undefined)) return
  throw new AppError(
    'CONFIG_INVALID',
    'A part of the guard that judges messages was given to the HTTP edge of a server, which refuses nothing but at its door.',
    { hint: 'Give that part to attach() of the server behind it, or put `muniment proxy` in front.' },
  )
}

/** Opens the parts that stand at the door of an HTTP edge, and what records requests first. Throws `CONFIG_INVALID` for a part that does not stand there. */
export function openDoors(given: GuardParts, context: GuardContext): Guard | undefined {
  refuseSessions(given)
  const guards = openAll(given, context)
  checkDoors(guards)
  return composed([...guards, ...openRecord(context.settings, context)])
}

type GuardParts = GuardPart | readonly GuardPart[] | undefined

function composed(guards: readonly Guard[]): Guard | undefined {
  return guards.length === 0 ? undefined : compose(guards)
}

function openRecord({ delivery }: Pick<Settings, 'delivery'>, context: GuardContext): readonly Guard[] {
  return delivery === undefined ? [] : [recordRequestsFirst(delivery).open(context)]
}

/** Opens the parts of a guard, once, for ways that differ in what must be recorded first; for each they are one, in the order of their stages. Throws `CONFIG_INVALID`. */
export function openGuards(
  given: GuardParts,
  context: GuardContext,
): (delivery: Settings['delivery']) => Guard | undefined {
  const guards = openAll(given, context)
  return delivery => composed([...guards, ...openRecord({ delivery }, context)])
}

function judgesMessages({ request, response, other }: Guard): boolean {
  return request !== undefined || response !== undefined || other !== undefined
}

/** The same where only messages pass. Throws `CONFIG_INVALID` for a part that stands at a door and nowhere else, too: it would do nothing. */
export function openMessages(given: GuardParts, context: GuardContext): Guard | undefined {
  const guards = [...openAll(given, context), ...openRecord(context.settings, context)]
  if (guards.some(guard => guard.door !== undefined && !judgesMessages(guard)))
    throw new AppError(
      'CONFIG_INVALID',
      'A part of the guard that judges HTTP requests was given to a place that sees only messages.',
      { hint: 'Give that part to the HTTP edge of the server, or put `muniment proxy` in front.' },
    )
  return composed(guards)
}

function openAll(given: GuardParts, context: GuardContext): readonly Guard[] {
  const parts = given === undefined ? [] : [given].flat()
  parts.forEach(placeOf)
  return parts.toSorted((a, b) => placeOf(a) - placeOf(b)).map(part => part.open(context))
}
