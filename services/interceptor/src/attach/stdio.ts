import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { AppError } from '@muniment/schema'
import { needMasking, openMessages } from '../guard/compose.ts'
import { createJudge, type Judge } from '../guard/judge.ts'
import { openHost } from '../host.ts'
import type { LineTap } from '../lines.ts'
import { readSettings } from '../main-env.ts'
import type { Channel } from '../observe.ts'
import type { AttachOptions } from '../options.ts'
import { createOffPath } from '../off-path.ts'
import type { OnProblem } from '../problem.ts'
import { isPromise } from '../soon.ts'
import { createLineGate, createOutlet, type GateOptions, type LineGate, type Outlet } from './gate.ts'
import { tapWire } from './wire.ts'

/** What to run, and how to record it. */
export interface WrapOptions extends AttachOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  /** Environment of the command; default that of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** How long the end may be put off to save what was observed (default 1.5 s). */
  readonly closeDeadlineMs?: number
}

type Child = ChildProcessByStdio<Writable, Readable, null>

/** Less than the two seconds after which official clients lose their patience. */
const defaultCloseDeadlineMs = 1500
/** Official clients kill two seconds after SIGTERM; the command must be gone before, or it would be left behind. */
const killAfterMs = 1500
const lingerMs = 1000
const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

/** Reads chunks after they were passed on. */
function offPath(tap: LineTap, onProblem: OnProblem): LineTap {
  const path = createOffPath(onProblem)
  return {
    push: chunk => path.later(() => tap.push(chunk)),
    end: () => {
      path.later(() => tap.end())
      path.now()
    },
  }
}

interface Flow {
  readonly from: Readable
  readonly to: Writable
  readonly tap: LineTap
}

/** Writes no faster than is taken. */
function write({ from, to }: Pick<Flow, 'from' | 'to'>, chunk: Uint8Array): void {
  if (to.write(chunk)) return
  from.pause()
  to.once('drain', () => from.resume())
}

/** Passes bytes on as they come; resolves at the end of the source. */
function pass({ from, to, tap }: Flow): Promise<void> {
  from.on('data', (chunk: Uint8Array) => {
    write({ from, to }, chunk)
    tap.push(chunk)
  })
  return over({ from, to })
}

/** Passes what a gate lets through, as it writes it itself; reads no more while the gate waits. */
async function passGated({ from, to }: Pick<Flow, 'from' | 'to'>, gate: LineGate): Promise<void> {
  from.on('data', (chunk: Uint8Array) => {
    const waiting = gate.push(chunk)
    if (!isPromise(waiting) && !to.writableNeedDrain) return
    from.pause()
    const drained = to.writableNeedDrain ? new Promise(resolve => to.once('drain', resolve)) : undefined
    const resume = (): void => void from.resume()
    Promise.all([waiting, drained]).then(resume, resume)
  })
  await over({ from, to })
  await gate.end()
}

function over({ from, to }: Pick<Flow, 'from' | 'to'>): Promise<void> {
  // Whoever reads is gone: whoever writes must find out as it would without us.
  to.on('error', () => from.destroy())
  from.on('error', () => undefined)
  return new Promise(resolve => {
    from.once('close', resolve)
    from.once('end', resolve)
  })
}

function start(options: WrapOptions): Child {
  const { command, args, cwd, env } = options
  return spawn(command, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    windowsHide: true,
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
  })
}

interface LastResort {
  /** The command was asked to end. */
  readonly asked: () => void
  /** Its input has ended. */
  readonly gone: () => void
}

/**
 * Kills a command that does not end though it was asked to and its client has gone. Clients do both at once, so either may be seen
 * first; a signal from long ago, which the command chose to survive, does not count.
 */
function createLastResort(child: Child): LastResort {
  let askedMs = -Infinity
  let isGone = false
  const arm = (): void => {
    setTimeout(() => child.kill('SIGKILL'), killAfterMs).unref()
  }
  return {
    asked: () => {
      askedMs = performance.now()
      if (isGone) arm()
    },
    gone: () => {
      isGone = true
      if (performance.now() - askedMs < killAfterMs) arm()
    },
  }
}

/** Passes signals on; returns how to stop that. Ctrl-C at a terminal reaches the command by itself. */
function passSignals(child: Child, { asked }: LastResort): () => void {
  const listeners = signals.map(signal => {
    const listen = (): void => {
      if (signal === 'SIGINT' && process.stdin.isTTY) return
      child.kill(signal)
      asked()
    }
    process.on(signal, listen)
    return () => process.removeListener(signal, listen)
  })
  return () => {
    for (const stop of listeners) stop()
  }
}

function exitCodeOf({ exitCode, signalCode }: ChildProcess): number {
  if (exitCode !== null) return exitCode
  return signalCode === null ? 1 : 128 + constants.signals[signalCode]
}

/** Resolves when everything written so far was taken by the reader, or cannot be any more. */
function flushed(stream: Writable): Promise<void> {
  return new Promise(resolve => {
    stream.write('', () => resolve())
  })
}

async function isOver(end: Promise<void>, afterMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => {
    timer = setTimeout(() => resolve(false), afterMs)
  })
  try {
    return await Promise.race([end.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}

/** Waits for the end of a dead command's output; a process that it started may hold it open and silent. */
async function ended(output: Readable, end: Promise<void>): Promise<void> {
  let heard = true
  const listen = (): void => {
    heard = true
  }
  output.on('data', listen)
  while (heard || output.isPaused()) {
    heard = false
    if (await isOver(end, lingerMs)) break
  }
  output.removeListener('data', listen)
}

interface Watch {
  readonly channel: Channel
  readonly onProblem: OnProblem
  readonly judge: Judge | undefined
}

type Gated = Pick<GateOptions, 'direction' | 'pass' | 'answer'>

function gateOf({ channel, onProblem }: Watch, judge: Judge, gated: Gated): LineGate {
  return createLineGate({ channel, onProblem, judge, ...gated })
}

/** Passes on what the client sends; resolves when it has ended, with what is left to be recorded of it. */
async function send(child: Child, watch: Watch, outlet: Outlet): Promise<() => void> {
  const { channel, onProblem, judge } = watch
  const flow = { from: process.stdin, to: child.stdin }
  if (judge === undefined) {
    const tap = offPath(tapWire(channel, 'client_to_server'), onProblem)
    await pass({ ...flow, tap })
    child.stdin.end()
    return tap.end
  }
  const toServer = (bytes: Uint8Array): void => void child.stdin.write(bytes)
  await passGated(
    flow,
    gateOf(watch, judge, { direction: 'client_to_server', pass: toServer, answer: outlet.answer }),
  )
  child.stdin.end()
  return () => undefined
}

/** What the server says on its way: until when, and what is to be done after. */
interface Received {
  readonly done: Promise<void>
  readonly end: () => void
}

/** Passes on what the server says. */
function receive(child: Child, watch: Watch, outlet: Outlet): Received {
  const { channel, onProblem, judge } = watch
  const flow = { from: child.stdout, to: process.stdout }
  if (judge?.readsOutward !== true) {
    const tap = offPath(tapWire(channel, 'server_to_client', judge?.answered), onProblem)
    const done = pass({ ...flow, tap })
    if (judge !== undefined) child.stdout.on('data', outlet.wrote)
    return { done, end: tap.end }
  }
  const toClient = (bytes: Uint8Array): void => {
    process.stdout.write(bytes)
    outlet.wrote(bytes)
  }
  const gated: Gated = { direction: 'server_to_client', pass: toClient, answer: () => undefined }
  return { done: passGated(flow, gateOf(watch, judge, gated)), end: () => undefined }
}

/** Connects both directions; resolves when the command has ended and its output was passed on. */
async function connect(child: Child, watch: Watch): Promise<void> {
  const outlet = createOutlet(process.stdout)
  const exited = once(child, 'exit')
  const lastResort = createLastResort(child)
  const stopSignals = passSignals(child, lastResort)
  const sent = send(child, watch, outlet).finally(lastResort.gone)
  const received = receive(child, watch, outlet)
  await exited
  await ended(child.stdout, received.done)
  outlet.end()
  await flushed(process.stdout)
  stopSignals()
  process.stdin.destroy()
  const endInput = await sent
  endInput()
  received.end()
}

async function spawned(child: Child, command: string): Promise<void> {
  try {
    await once(child, 'spawn')
  } catch (cause) {
    throw new AppError('INVALID_INPUT', `The command ${JSON.stringify(command)} cannot be started.`, {
      hint: 'Check its spelling, that it is installed, and that it may be executed.',
      cause,
    })
  }
}

/**
 * Runs an MCP server that speaks over stdio and records the conversation: bytes pass unchanged in both directions, stderr, signals
 * and exit code too, and nothing of ours appears on stdout. Resolves with the exit code (128 + number after a signal) once
 * what was observed is saved or `closeDeadlineMs` is over; rejects with `INVALID_INPUT` where the command cannot be
 * started, `CONFIG_INVALID` for options that cannot be meant.
 */
export async function wrapStdio(options: WrapOptions): Promise<number> {
  const settings = readSettings(options)
  const host = openHost(settings)
  const closeDeadlineMs = options.closeDeadlineMs ?? defaultCloseDeadlineMs
  try {
    needMasking(settings, options.guard)
    const guard = openMessages(options.guard, {
      settings,
      follow: host.follow,
      lane: host.core.lane,
      recordFirst: host.core.recordFirst,
    })
    const child = start(options)
    await spawned(child, options.command)
    const { tenant, serverName } = settings
    const info = { id: host.nextChannelId(), transport: 'stdio', serverName, tenant } as const
    const channel = host.core.open(info)
    const { onProblem } = settings
    const judge = guard && createJudge({ guard, info, labels: channel.labels, onProblem, mayAsk: true })
    await connect(child, { channel, onProblem, judge })
    channel.close('closed')
    judge?.close()
    return exitCodeOf(child)
  } finally {
    await host.close(closeDeadlineMs)
  }
}
