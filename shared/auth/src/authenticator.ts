import { AppError } from '@muniment/schema'
import {
  cannotTell,
  insufficientScope,
  tooManyFailures,
  unauthenticated,
  type AuthRefusal,
} from './challenge.ts'
import { createFailures, type FailureOptions, type Failures } from './failures.ts'
import type { AuthRequest, Finding, Method, Principal } from './method.ts'

/** Who called, or why not. `reason` is one of our own words, for the record; it holds nothing of the request. */
export type AuthOutcome =
  | {
      readonly principal: Principal
      readonly reason: string
      /** Where the credential that named the principal says it. */
      readonly tenant?: string
      readonly expiresAtMs?: number
    }
  | { readonly refusal: AuthRefusal; readonly reason: string; readonly principal?: Principal }

/** How several ways work together. */
export interface AuthenticatorOptions {
  /** In the order in which they are asked. */
  readonly methods: readonly Method[]
  /** `any`: the first credential that is there decides (default). `all`: every way must be satisfied; the first names the principal. */
  readonly require?: 'any' | 'all' | undefined
  readonly failures?: FailureOptions | undefined
  /** Most requests that may wait for an issuer at a time (default 256). */
  readonly maxWaiting?: number | undefined
}

/** Finds out who calls. */
export interface Authenticator {
  /** Never throws. Answers at once where nothing must be asked. */
  readonly check: (request: AuthRequest) => AuthOutcome | Promise<AuthOutcome>
  /** Header fields whose credentials end here: who passes a request on leaves them out. */
  readonly spends: (request: AuthRequest) => readonly string[]
  /** The refusal for a caller whose scopes do not reach far enough for what was asked. */
  readonly stepUp: (request: AuthRequest, scopes: readonly string[]) => AuthRefusal
  /** The RFC 9728 document at a path; everybody may read it. */
  readonly document: (path: string) => object | undefined
}

interface State {
  readonly methods: readonly Method[]
  readonly mustAll: boolean
  readonly failures: Failures
  readonly maxWaiting: number
  waiting: number
}

function fieldsFor({ methods }: State, request: AuthRequest): Readonly<Record<string, string>> {
  for (const { challenge } of methods) if (challenge !== undefined) return challenge(request)
  return {}
}

/** Whether what was found ends the search. */
function isFinal({ mustAll }: State, found: Finding): boolean {
  if (mustAll) return found?.kind !== 'accepted'
  return found !== undefined && !(found.kind === 'rejected' && found.isForeign === true)
}

/** Of two findings the one that says more; the first of several accepted ones names the principal. */
function better(before: Finding, found: Finding): Finding {
  if (found === undefined) return before
  return before === undefined || before.kind === 'rejected' ? found : before
}

type Step = Finding | Promise<Finding>

/** Asks the ways in their order, without a promise where none is needed. */
function search(state: State, request: AuthRequest, [at, before]: readonly [number, Finding]): Step {
  let best = before
  for (let index = at; index < state.methods.length; index++) {
    const found = state.methods[index]?.check(request)
    if (found instanceof Promise)
      return found.then(each =>
        isFinal(state, each)
          ? decided(state, best, each)
          : search(state, request, [index + 1, better(best, each)]),
      )
    if (isFinal(state, found)) return decided(state, best, found)
    best = better(best, found)
  }
  return best
}

/** With `all`, one that is not there, or does not hold, outweighs those that do. */
function decided({ mustAll }: State, before: Finding, found: Finding): Finding {
  return mustAll ? found : better(before, found)
}

function outcome(state: State, request: AuthRequest, found: Finding): AuthOutcome {
  if (found === undefined)
    return { refusal: unauthenticated(fieldsFor(state, request), false), reason: 'no_credential' }
  if (found.kind === 'accepted') {
    const { principal, tenant, expiresAtMs } = found
    return {
      principal,
      reason: principal.method,
      ...(tenant !== undefined && { tenant }),
      ...(expiresAtMs !== undefined && { expiresAtMs }),
    }
  }
  if (found.kind === 'unavailable') return { refusal: cannotTell, reason: found.reason }
  if (found.kind === 'insufficient') {
    const refusal = insufficientScope(fieldsFor(state, request), found.scopes)
    return { refusal, reason: 'scope_insufficient', principal: found.principal }
  }
  if (found.isGenuine !== true) state.failures.failed(request.address)
  return { refusal: unauthenticated(fieldsFor(state, request), true), reason: found.reason }
}

/** From a slowed source only what was verified before is taken, for that costs nothing and is no guess. */
function recalled({ methods, mustAll }: State, request: AuthRequest): Finding {
  if (mustAll) return undefined
  for (const { recall } of methods) {
    const found = recall?.(request)
    if (found !== undefined) return found
  }
  return undefined
}

async function wait(state: State, request: AuthRequest, pending: Promise<Finding>): Promise<AuthOutcome> {
  state.waiting += 1
  try {
    return outcome(state, request, await pending)
  } catch {
    return { refusal: cannotTell, reason: 'authentication_failed_to_run' }
  } finally {
    state.waiting -= 1
  }
}

function check(state: State, request: AuthRequest): AuthOutcome | Promise<AuthOutcome> {
  const waitMs = state.failures.waitMs(request.address)
  if (waitMs > 0 || state.waiting >= state.maxWaiting) {
    const known = recalled(state, request)
    if (known !== undefined) return outcome(state, request, known)
    if (waitMs > 0) return { refusal: tooManyFailures(waitMs), reason: 'too_many_failures' }
    return { refusal: cannotTell, reason: 'too_many_waiting' }
  }
  try {
    const found = search(state, request, [0, undefined])
    return found instanceof Promise ? wait(state, request, found) : outcome(state, request, found)
  } catch {
    return { refusal: cannotTell, reason: 'authentication_failed_to_run' }
  }
}

/** Several ways to authenticate as one. Throws `CONFIG_INVALID` where there is none: nobody would be refused. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { methods, require = 'any', failures, maxWaiting = 256 } = options
  if (methods.length === 0)
    throw new AppError('CONFIG_INVALID', 'No way to authenticate is named.', {
      hint: 'Name at least one: API keys, OAuth or client certificates.',
    })
  const state: State = {
    methods,
    mustAll: require === 'all',
    failures: createFailures(failures),
    maxWaiting,
    waiting: 0,
  }
  return {
    check: request => check(state, request),
    spends: request => methods.flatMap(({ spends }) => spends?.(request) ?? []),
    stepUp: (request, scopes) => insufficientScope(fieldsFor(state, request), scopes),
    document: path => {
      for (const { document } of methods) {
        const found = document?.(path)
        if (found !== undefined) return found
      }
      return undefined
    },
  }
}
