import { createHash, randomBytes } from 'node:crypto'
import { isMembers, member, textMember, type Members } from '../json.ts'
import type { Refusal, Subject, Verdict } from './guard.ts'
import type { PolicyNote } from '../record.ts'

/** Requests in whose course clients may be asked, in both eras. */
const askable: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])
const refusal: Refusal = { code: 'ACCESS_DENIED', hint: 'This call needs the approval of an operator.' }
const inexact: Refusal = {
  code: 'ACCESS_DENIED',
  hint: 'This call needs an approval, which cannot be given for whole numbers beyond 2^53: send them as text.',
}
const key = 'muniment.approval'
const prefix = 'muniment:'
const mostPending = 1000
const mostKeptCharacters = 65_536
const mostShown = 500

/** An approval that was asked for by an answer, until the request comes again. */
interface Pending {
  readonly digest: string
  readonly expiresMs: number
  /** What the request carried for the server where an approval now stands. */
  readonly kept: Members
}

/** What one guard knows of approvals. */
export interface Approvals {
  /** Those that wait for the request to come again; each counts once. */
  readonly pending: Map<string, Pending>
  /** How long a person may take. */
  readonly timeoutMs: number
}

interface Requested {
  readonly subject: Subject
  readonly message: Members
  readonly note: (what: string) => PolicyNote
}

/** One text for whatever the order in which a client writes members. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isMembers(value)) return value
  const names = Object.keys(value).toSorted()
  return names.map(name => [name, sorted(value[name])])
}

/** Who asks for what: an approval is good for that and nothing else. */
function digestOf({ subject, message }: Requested): string {
  const { tenant, principal, server, client, method, target } = subject
  const who = [tenant, principal?.issuer ?? '', principal?.id ?? '', client ?? '', server ?? '']
  const what = [method, target ?? '', sorted(member(message['params'], 'arguments') ?? {})]
  return createHash('sha256')
    .update(JSON.stringify([...who, ...what]))
    .digest('base64url')
}

/** Whether every whole number is read alike by whoever reads JSON: beyond 2^53 one would be shown, and another could run. */
function isExact(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isInteger(value) || Number.isSafeInteger(value)
  if (Array.isArray(value)) return value.every(isExact)
  return !isMembers(value) || Object.values(value).every(isExact)
}

/** What a person reads must be what is there. */
function shown(text: string): string {
  const plain = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
  return plain.length <= mostShown ? plain : `${plain.slice(0, mostShown)} … (${plain.length} characters)`
}

function paramsOf({ subject, message }: Requested): Members {
  const { method, target = '', server = 'this server' } = subject
  const args = member(message['params'], 'arguments')
  const said = args === undefined ? '' : ` with ${shown(JSON.stringify(args))}`
  return {
    message: `A rule of your operators lets this run only if you approve: ${method} ${shown(target)} of ${shown(server)}${said}`,
    requestedSchema: {
      type: 'object',
      properties: { approve: { type: 'boolean', title: 'Let it run, this once' } },
      required: ['approve'],
    },
  }
}

function isApproval(result: unknown): boolean {
  return textMember(result, 'action') === 'accept' && member(member(result, 'content'), 'approve') === true
}

/** While the request waits. */
function byRequest({ timeoutMs }: Approvals, requested: Requested): Verdict {
  const { note } = requested
  return {
    notes: [],
    question: {
      method: 'elicitation/create',
      params: paramsOf(requested),
      timeoutMs,
      settle: answer => {
        if (isApproval(member(answer, 'result'))) return { notes: [note('approved')] }
        return { refusal, notes: [note(answer === undefined ? 'unanswered' : 'declined')] }
      },
    },
  }
}

function isOurs(state: string | undefined): state is string {
  return state?.startsWith(prefix) === true
}

/** By an answer, which the client makes the beginning of the same request. */
function byResult({ pending, timeoutMs }: Approvals, requested: Requested): Verdict {
  const params = member(requested.message, 'params')
  const { requestState, inputResponses } = isMembers(params) ? params : {}
  const kept = {
    ...(requestState !== undefined && !isOurs(textMember(params, 'requestState')) && { requestState }),
    ...(inputResponses !== undefined && { inputResponses }),
  }
  if (JSON.stringify(kept).length > mostKeptCharacters)
    return { refusal, notes: [requested.note('require_approval')] }
  const state = `${prefix}${randomBytes(32).toString('base64url')}`
  const [oldest] = pending.keys()
  if (pending.size >= mostPending && oldest !== undefined) pending.delete(oldest)
  pending.set(state, { digest: digestOf(requested), expiresMs: performance.now() + timeoutMs, kept })
  const inputRequests = { [key]: { method: 'elicitation/create', params: paramsOf(requested) } }
  return {
    refusal: { ...refusal, asking: { inputRequests, requestState: state } },
    notes: [requested.note('asked')],
  }
}

/** The request without what was ours, and with what was the server's before. */
function restored(message: Members, kept: Members): Members {
  const { params } = message
  const { requestState: _state, inputResponses: _responses, ...rest } = isMembers(params) ? params : {}
  return { ...message, params: { ...rest, ...kept } }
}

function settled(requested: Requested, pending: Pending): Verdict {
  const { message, note } = requested
  const { digest, expiresMs, kept } = pending
  const answer = member(member(message['params'], 'inputResponses'), key)
  if (digest !== digestOf(requested)) return { refusal, notes: [note('not_as_approved')] }
  if (performance.now() > expiresMs) return { refusal, notes: [note('unanswered')] }
  if (!isApproval(answer)) return { refusal, notes: [note('declined')] }
  return { message: restored(message, kept), notes: [note('approved')] }
}

/**
 * Lets a request run once the person at the client has approved it: asked while it waits, or by an answer after which it comes again, with an
 * approval that counts once, for who asked and for what was asked. Where the client cannot ask, it is refused.
 */
export function requireApproval(approvals: Approvals, requested: Requested): Verdict {
  const { subject, message, note } = requested
  const way = askable.has(subject.method) ? subject.elicits : undefined
  if (way === undefined) return { refusal, notes: [note('require_approval')] }
  if (!isExact(member(message['params'], 'arguments')))
    return { refusal: inexact, notes: [note('inexact_number')] }
  if (way === 'request') return byRequest(approvals, requested)
  const state = textMember(message['params'], 'requestState')
  const pending = state === undefined ? undefined : approvals.pending.get(state)
  if (state === undefined || pending === undefined) return byResult(approvals, requested)
  approvals.pending.delete(state)
  return settled(requested, pending)
}
