import type { IncomingMessage } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  createControlVerifier,
  createControlView,
  readDecision,
  type ControlVerifier,
  type ControlView,
} from '@muniment/keys/control'
import { noCancel } from '../clock.ts'
import type { Arriving } from '../guard/guard.ts'
import { problem, problemOf, type OnProblem } from '../problem.ts'
import { controlPath, cursorField, longestWaitMs, maxPageBytes } from './control-wire.ts'
import { addressOf, credentialsOf, openWay, type DeviceSettings, type Way } from './way.ts'

type Listen = (arriving: Arriving) => void

/** Where decisions are asked for, and who hears of them. */
export interface Following {
  readonly url: URL
  readonly device: DeviceSettings
  readonly onProblem: OnProblem
}

interface State extends Following {
  readonly verifier: ControlVerifier
  /** What was verified already costs nothing the next time. */
  readonly view: ControlView
  readonly listeners: readonly Listen[]
  readonly way: Promise<Way>
  cursor: string | undefined
  isStopped: boolean
}

interface Answer {
  readonly status: number
  readonly cursor: string | undefined
  readonly lines: readonly string[]
}

/** One decision may be longer than the rest of its page. */
const maxAnswerBytes = 2 * maxPageBytes
const requestTimeoutMs = longestWaitMs + 10_000
const firstPauseMs = 500
const lastPauseMs = 30_000
/** Verified in one turn of the observed process; each takes a tenth of a millisecond. */
const verifiedAtOnce = 10

/** The lines of an answer, whoever it came from; one without end is cut off. */
function read(response: IncomingMessage, done: (lines: readonly string[]) => void): void {
  const parts: Buffer[] = []
  let bytes = 0
  response.on('data', (part: Buffer) => {
    bytes += part.length
    if (bytes > maxAnswerBytes) response.destroy(new Error('too long'))
    else parts.push(part)
  })
  response.on('end', () => {
    const text = Buffer.concat(parts).toString()
    done(text.split('\n').filter(line => line !== ''))
  })
}

/** Neither connection nor timer of it keeps the observed process alive. */
async function ask({ way, url, device, cursor }: State): Promise<Answer> {
  const { https, agent } = await way
  const path = cursor === undefined ? controlPath : `${controlPath}?after=${encodeURIComponent(cursor)}`
  return await new Promise((resolve, reject) => {
    const request = https.get({ ...addressOf(url, path), headers: credentialsOf(device), agent })
    const timer = setTimeout(() => request.destroy(new Error('timeout')), requestTimeoutMs)
    timer.unref()
    request.on('socket', socket => socket.unref())
    request.on('close', () => clearTimeout(timer))
    request.on('error', reject)
    request.on('response', response => {
      response.on('error', reject)
      const field = response.headers[cursorField.toLowerCase()]
      const told = typeof field === 'string' ? field : undefined
      read(response, lines => resolve({ status: response.statusCode ?? 0, cursor: told, lines }))
    })
  })
}

function tellRefused(state: State, status: number): void {
  const hints: Readonly<Record<number, string>> = {
    401: 'Check MUNIMENT_DEVICE_KEY or the certificate.',
    404: 'Set MUNIMENT_CONTROL_KEY at the collector: without it, it passes no decisions on.',
  }
  state.onProblem(
    problem(
      'DEPENDENCY_UNREACHABLE',
      `The collector passes no decisions on (HTTP ${status}); what was in force stays in force until it ends.`,
      hints[status],
    ),
  )
}

/** What a page came to. */
interface Heard {
  /** It brought something that was not known. */
  readonly isNew: boolean
  readonly isForged: boolean
}

function hearSome({ verifier, view, listeners }: State, lines: readonly string[]): Heard {
  const found = lines.map(line => readDecision(verifier, Buffer.from(line), view))
  const decisions = found.flatMap(each => (typeof each === 'string' ? [] : each))
  const refused = found.length - decisions.length
  const isNew = decisions.map(decision => view.apply(decision)).includes('applied')
  for (const listen of listeners) listen({ decisions, refused })
  return { isNew, isForged: refused > 0 }
}

/** Believes nothing that the collector says: only what a control key signed counts. */
async function hear(state: State, lines: readonly string[]): Promise<Heard> {
  let [isNew, isForged] = [false, false]
  for (let at = 0; at < lines.length && !state.isStopped; at += verifiedAtOnce) {
    if (at > 0) await nextTurn(undefined, { ref: false })
    const some = hearSome(state, lines.slice(at, at + verifiedAtOnce))
    isNew ||= some.isNew
    isForged ||= some.isForged
  }
  return { isNew, isForged }
}

/** Whether the next question may follow at once: an answer that came at once and brought nothing is no reason to hurry, nor is a forged one. */
async function step(state: State): Promise<boolean> {
  const askedMs = performance.now()
  const { status, cursor, lines } = await ask(state)
  if (state.isStopped) return false
  if (status !== 200) {
    tellRefused(state, status)
    return false
  }
  const { isNew, isForged } = await hear(state, lines)
  state.cursor = cursor
  return !isForged && (isNew || performance.now() - askedMs > firstPauseMs)
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => {
    setTimeout(resolve, ms).unref()
  })
}

async function run(state: State): Promise<void> {
  let pauseMs = firstPauseMs
  while (!state.isStopped) {
    let isWell = false
    try {
      isWell = await step(state)
    } catch (error) {
      state.onProblem(problemOf(error, `Decisions could not be asked of the collector ${state.url.host}`))
    }
    if (isWell) pauseMs = firstPauseMs
    else {
      await pause(pauseMs)
      pauseMs = Math.min(lastPauseMs, pauseMs * 2)
    }
  }
}

function start(
  following: Following,
  publicKeys: readonly string[],
  listeners: readonly Listen[],
): () => void {
  const state: State = {
    ...following,
    verifier: createControlVerifier(publicKeys),
    view: createControlView({ now: Date.now }),
    listeners,
    way: openWay(following.device),
    cursor: undefined,
    isStopped: false,
  }
  void run(state)
  return () => {
    state.isStopped = true
    void state.way.then(({ agent }) => agent.destroy())
  }
}

/**
 * Asks a collector for decisions for as long as anybody listens, once for all, and tells those that a control key signed. Who comes later hears
 * everything again, which changes nothing for the others. Throws `CONFIG_INVALID` where a key is none.
 */
export function createFollower(
  following: Following,
): (publicKeys: readonly string[], listen: Listen) => () => void {
  let listeners: readonly Listen[] = []
  let stop = noCancel
  const restart = (publicKeys: readonly string[], next: readonly Listen[]): void => {
    stop()
    listeners = next
    stop = next.length === 0 ? noCancel : start(following, publicKeys, next)
  }
  return (publicKeys, listen) => {
    restart(publicKeys, [...listeners, listen])
    return () =>
      restart(
        publicKeys,
        listeners.filter(each => each !== listen),
      )
  }
}
