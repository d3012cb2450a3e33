import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { Logger } from '@muniment/runtime'
import { z } from 'zod'
import type { Classifier, ClassifierText } from './classifier.ts'

/** What a classifier behind a command is made of. */
export interface CommandClassifierOptions {
  /** Absolute path of a program, and its arguments; no shell, and an empty environment. */
  readonly command: readonly [string, ...string[]]
  /** Texts that are not answered by then count as not judged. */
  readonly deadlineMs: number
  /** Least time between two starts of a program that ends. */
  readonly restartMs: number
  readonly log: Logger
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** More are in the program's hands only where it is behind; what comes beyond is not judged. */
const mostPending = 64
const longestLine = 4_096
/** So many texts in a row without an answer: the program hangs, and is ended. */
const mostLate = 8

type Child = ChildProcessByStdio<Writable, Readable, null>
type Answer = (score: number | undefined) => void

interface Program {
  readonly options: CommandClassifierOptions
  readonly pending: Map<number, Answer>
  child: Child | undefined
  startedMs: number
  nextId: number
  /** Texts in a row that were not answered in time. */
  late: number
}

const answerSchema = z.object({ id: z.number(), score: z.number().min(0).max(1) })

function parse(line: string): unknown {
  try {
    return line.length > longestLine ? undefined : JSON.parse(line)
  } catch {
    return undefined
  }
}

function readAnswer(program: Program, line: string): void {
  const { data } = answerSchema.safeParse(parse(line))
  if (data === undefined) return
  program.late = 0
  program.pending.get(data.id)?.(data.score)
}

function ended(program: Program, child: Child): void {
  if (program.child !== child) return
  program.child = undefined
  for (const answer of program.pending.values()) answer(undefined)
}

function start(program: Program): Child | undefined {
  const { command, restartMs, log, now } = program.options
  if (now() - program.startedMs < restartMs) return undefined
  program.startedMs = now()
  program.late = 0
  const [file, ...args] = command
  // It is given masked texts and nothing else: the worker's environment may hold passwords.
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'], env: {} })
  program.child = child
  child.once('error', error => {
    log.warn('classifier.failed', { message: error.message })
    ended(program, child)
  })
  child.once('exit', code => {
    if (program.child === child) log.warn('classifier.ended', { exit: code ?? 'signal' })
    ended(program, child)
  })
  child.stdin.on('error', () => ended(program, child))
  createInterface({ input: child.stdout }).on('line', line => readAnswer(program, line))
  return child
}

async function ask(program: Program, { kind, text }: ClassifierText): Promise<number | undefined> {
  if (program.pending.size >= mostPending) return undefined
  const child = program.child ?? start(program)
  if (child === undefined) return undefined
  const id = program.nextId
  program.nextId += 1
  const { promise, resolve } = Promise.withResolvers<number | undefined>()
  program.pending.set(id, resolve)
  const timer = setTimeout(() => {
    resolve(undefined)
    program.late += 1
    if (program.late < mostLate) return
    program.options.log.warn('classifier.hangs', { texts: mostLate })
    ended(program, child)
    child.kill('SIGKILL')
  }, program.options.deadlineMs)
  child.stdin.write(`${JSON.stringify({ id, kind, text })}\n`)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    program.pending.delete(id)
  }
}

/** A classifier that is a program of its own: it reads lines `{"id":1,"kind":"result","text":"…"}` and answers each with `{"id":1,"score":0.93}`, in any order. */
export function openCommandClassifier(options: CommandClassifierOptions): Classifier {
  const program: Program = {
    options,
    pending: new Map(),
    child: undefined,
    startedMs: Number.NEGATIVE_INFINITY,
    nextId: 1,
    late: 0,
  }
  return {
    score: text => ask(program, text),
    [Symbol.asyncDispose]: () => {
      const { child } = program
      program.startedMs = Number.POSITIVE_INFINITY
      if (child !== undefined) ended(program, child)
      child?.kill()
      return Promise.resolve()
    },
  }
}
