import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from '@muniment/runtime'
import { AppError, isAppError, type ErrorCode } from '@muniment/schema'

const maxBodyBytes = 64 * 1024

const statuses: Partial<Record<ErrorCode, number>> = {
  AUTH_FAILED: 401,
  ACCESS_DENIED: 403,
  NOT_FOUND: 404,
  QUERY_INVALID: 400,
  INVALID_INPUT: 400,
  QUERY_LIMIT: 422,
  LIMIT_EXCEEDED: 413,
  RATE_LIMITED: 429,
  KEY_UNKNOWN: 410,
  DEPENDENCY_UNREACHABLE: 503,
}

/** An error as callers get it: nothing of what broke inside. */
export interface Told {
  readonly status: number
  readonly error: { readonly code: ErrorCode; readonly message: string; readonly hint: string }
}

/** What a caller is told of a failure. */
export function toldOf(error: unknown): Told {
  if (error instanceof SyntaxError || error instanceof URIError)
    return toldOf(new AppError('INVALID_INPUT', 'The request cannot be read.'))
  const status = isAppError(error) ? statuses[error.code] : undefined
  if (!isAppError(error) || status === undefined) {
    const [message, hint] = ['Something went wrong here.', 'The log of this process says what.']
    return { status: 500, error: { code: 'SERVICE_ERROR', message, hint } }
  }
  const { code, message, hint } = error
  return { status, error: { code, message, hint } }
}

/** Sends an object as JSON. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  if (response.destroyed) return
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
  response.end(JSON.stringify(value))
}

/** Tells the caller what failed; an answer that has begun is cut off instead, so that nobody takes it for whole. */
export function sendError(response: ServerResponse, error: unknown, log: Logger): void {
  const { status, ...told } = toldOf(error)
  if (status === 500) log.error('query.failed', { error })
  if (response.headersSent) return void response.destroy()
  if (status === 429) response.setHeader('retry-after', '1')
  sendJson(response, status, told)
}

/** The body of a request. Throws `LIMIT_EXCEEDED` where it is too long. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue
    size += chunk.length
    if (size > maxBodyBytes) throw new AppError('LIMIT_EXCEEDED', `A request may have ${maxBodyBytes} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
