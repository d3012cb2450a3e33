import type * as Https from 'node:https'
import { AppError, type ErrorCode } from '@muniment/schema'
import type { SealedRecord } from '../batch.ts'
import type { RawPublisher } from '../kafka.ts'
import { createFollower, type Following } from './follow.ts'
import { addressOf, credentialsOf, openWay, type DeviceSettings, type Way } from './way.ts'
import { batchesPath, contentType, requestBodies } from './wire.ts'

interface State {
  readonly url: URL
  readonly device: DeviceSettings
  /** Loaded and made for the first batch: an observed server need not know of HTTPS. */
  way: Promise<Way> | undefined
  /** A collector that asked for patience is not asked before. */
  notBeforeMs: number
}

interface Answer {
  readonly status: number
  readonly retryAfter: string | undefined
}

/** Longer than a collector waits for its bus. */
const requestTimeoutMs = 30_000
const longestPauseMs = 60_000

const codes: Readonly<Record<number, ErrorCode>> = {
  401: 'AUTH_FAILED',
  403: 'ACCESS_DENIED',
  429: 'RATE_LIMITED',
  503: 'DEPENDENCY_UNREACHABLE',
}
const hints: Readonly<Record<number, string>> = {
  401: 'Check MUNIMENT_DEVICE_KEY or the certificate; `muniment keys device list` shows who is enrolled.',
  403: 'MUNIMENT_DEVICE must be the name under which this device was enrolled.',
}

function options({ url, device }: State, sizeBytes: number): Https.RequestOptions {
  return {
    ...addressOf(url, batchesPath),
    method: 'POST',
    timeout: requestTimeoutMs,
    headers: { 'Content-Type': contentType, 'Content-Length': sizeBytes, ...credentialsOf(device) },
  }
}

/** Neither connection nor timer of it keeps the observed process alive. */
async function post(state: State, body: Buffer): Promise<Answer> {
  const { https, agent } = await (state.way ??= openWay(state.device))
  return await new Promise((resolve, reject) => {
    const request = https.request({ ...options(state, body.length), agent })
    const timer = setTimeout(() => request.destroy(new Error('timeout')), requestTimeoutMs)
    timer.unref()
    request.on('socket', socket => socket.unref())
    request.on('response', response => {
      // Nothing of what it says is needed, and a body without end must not be read for ever.
      response.on('error', () => undefined)
      response.resume()
      response.on('end', () => clearTimeout(timer))
      const retryAfter = response.headers['retry-after']
      resolve({ status: response.statusCode ?? 0, retryAfter })
    })
    request.on('close', () => clearTimeout(timer))
    request.on('error', reject)
    request.end(body)
  })
}

function pauseMs(retryAfter: string | undefined): number {
  const seconds = Number(retryAfter)
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(longestPauseMs, seconds * 1000) : 0
}

function refused({ status, retryAfter }: Answer): AppError {
  const code = codes[status] ?? 'BUS_REJECTED'
  const hint = hints[status]
  const when = retryAfter === undefined ? '' : ` It asks for ${pauseMs(retryAfter) / 1000} s of patience.`
  return new AppError(code, `The collector did not take a batch (HTTP ${status}).${when}`, {
    ...(hint !== undefined && { hint }),
  })
}

async function send(state: State, body: Buffer): Promise<void> {
  if (performance.now() < state.notBeforeMs)
    throw new AppError('RATE_LIMITED', 'The collector asked for patience, which is not over.')
  let answer: Answer
  try {
    answer = await post(state, body)
  } catch (cause) {
    throw new AppError('DEPENDENCY_UNREACHABLE', `The collector ${state.url.host} cannot be reached.`, {
      cause,
    })
  }
  if (answer.status === 204) return
  state.notBeforeMs = performance.now() + pauseMs(answer.retryAfter)
  throw refused(answer)
}

/** Publishes to a collector; what it was given is on the bus when `publish` resolves. Connects for the first batch and again by itself. */
export function openCollectorPublisher({ url, device, onProblem }: Following): RawPublisher {
  const state: State = { url, device, way: undefined, notBeforeMs: -Infinity }
  return {
    publish: async (records: readonly SealedRecord[]) => {
      for (const body of requestBodies(records)) await send(state, body)
    },
    follow: createFollower({ url, device, onProblem }),
    [Symbol.asyncDispose]: async () => {
      const way = await state.way
      way?.agent.destroy()
    },
  }
}
