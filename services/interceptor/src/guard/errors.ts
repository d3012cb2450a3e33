import { randomUUID } from 'node:crypto'
import { isMembers, member, type Members } from '../json.ts'
import type { Guard, GuardPart, Rewriting, Subject } from './guard.ts'
import { refusalCodes } from './refusal.ts'

/** How much of a server's errors its callers see. */
export interface ErrorOptions {
  /** Results with `isError`: `keep` where they are written for models to read, as in "no such file"; default `reduce`. */
  readonly toolErrors?: 'reduce' | 'keep'
  /** Makes correlation ids. */
  readonly newId?: () => string
}

/** What the protocol itself says, in its own words and not in those of a handler, which may quote anything. */
const protocolErrors: ReadonlyMap<unknown, string> = new Map([
  [-32_700, 'Parse error'],
  [-32_600, 'Invalid request'],
  [-32_601, 'Method not found'],
  [-32_602, 'Invalid params'],
  [-32_002, 'Resource not found'],
  [-32_020, 'Header mismatch'],
  [-32_021, 'Missing required client capability'],
  [-32_022, 'Unsupported protocol version'],
  [-32_042, 'URL elicitation required'],
])
/** Errors whose data a client needs to go on. */
const needsData: ReadonlySet<unknown> = new Set([-32_021, -32_022, -32_042])
const serviceError = 'SERVICE_ERROR'

/** The caller named it, so that it tells nobody anything: which resource was not found. */
function namedUri(error: unknown, { method, target }: Subject): Members {
  const uri = member(member(error, 'data'), 'uri')
  return method.startsWith('resources/') && uri !== undefined && uri === target ? { uri } : {}
}

function reducedError(error: unknown, subject: Subject, correlationId: string): Members {
  const code = member(error, 'code')
  const text = protocolErrors.get(code)
  if (text === undefined)
    return { code: refusalCodes.SERVICE_ERROR.rpc, message: serviceError, data: { correlationId } }
  const data = needsData.has(code) ? member(error, 'data') : undefined
  return { code, message: text, data: data ?? { ...namedUri(error, subject), correlationId } }
}

function reducedResult(result: Members, correlationId: string): Members {
  const { resultType } = result
  const content = [{ type: 'text', text: `${serviceError} (correlation id ${correlationId})` }]
  return { ...(resultType !== undefined && { resultType }), content, isError: true }
}

interface Answer {
  readonly message: Members
  readonly subject: Subject
}

/** What the caller sees in place of an answer; `undefined` where it may see the answer. */
function reduced(
  { message, subject }: Answer,
  keepsTools: boolean,
): ((correlationId: string) => Members) | undefined {
  const { jsonrpc, id, error, result } = message
  if (error !== undefined)
    return correlationId => ({ jsonrpc, id, error: reducedError(error, subject, correlationId) })
  if (keepsTools || !isMembers(result) || result['isError'] !== true) return undefined
  return correlationId => ({ jsonrpc, id, result: reducedResult(result, correlationId) })
}

/**
 * A guard that keeps from callers what a server says of its failures: they get `SERVICE_ERROR` and a correlation id, the event has the
 * answer as it was, with the same id.
 */
export function reduceErrors(options: ErrorOptions = {}): GuardPart {
  const { toolErrors = 'reduce', newId = randomUUID } = options
  return {
    stage: 'errors',
    open: (): Guard => ({
      response: (subject, message): Rewriting | undefined => {
        const instead = reduced({ message, subject }, toolErrors === 'keep')
        if (instead === undefined) return undefined
        const id = newId()
        return { message: instead(id), notes: [{ name: 'errors', decision: 'reduce', reason: id }] }
      },
    }),
  }
}
