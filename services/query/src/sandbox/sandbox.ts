import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { AppError } from '@muniment/schema'
import {
  encodeRequest,
  type Column,
  type DataFile,
  type Output,
  type Reply,
  type Request,
  type SandboxLimits,
  type Scan,
  type Value,
} from './protocol.ts'
import type { SandboxProcess } from './processes.ts'

/** A query and what it may see. */
export interface SandboxQuery {
  readonly sql: string
  readonly limits: SandboxLimits
  readonly output: Output
  readonly signal: AbortSignal
}

interface SandboxEnd {
  readonly count: number
  readonly isTruncated: boolean
}

/** Rows as they come. */
interface SandboxRows {
  readonly columns: readonly Column[]
  readonly rows: AsyncIterable<readonly Value[]>
  /** Known when the rows have ended: how many there were, and whether a limit cut them. */
  readonly end: () => SandboxEnd
}

/** A process of its own that runs one query: first planned, then fed with the rows it may see, then run. */
export interface Sandbox extends AsyncDisposable {
  /** What the query reads. Throws `QUERY_INVALID`. */
  readonly plan: () => Promise<readonly Scan[]>
  /** Hands over a whole file; resolves when the process keeps up. */
  readonly feed: (file: DataFile, bytes: Uint8Array) => Promise<void>
  readonly run: () => Promise<SandboxRows>
}

const chunkBytes = 4 * 1024 * 1024
const maxMessageLength = 500

/** DuckDB's message without paths, without its copy of the query, and cut: it may quote values of the data. */
function sanitise(message: string): string {
  const [first = ''] = message.split('\n\nLINE ')
  return first
    .replaceAll(/\/(?:proc|dev|tmp|root|home)\/[^\s"']*/gu, '(file)')
    .replaceAll(/\bempty_(\w+)/gu, '$1')
    .slice(0, maxMessageLength)
}

function failed(reply: Reply & { readonly type: 'failed' }): AppError {
  if (reply.code === 'QUERY_LIMIT') {
    return new AppError('QUERY_LIMIT', 'The query needs more memory than its limit.', {
      hint: 'Narrow the time range or the columns; in a container, check the size of /dev/shm.',
    })
  }
  return new AppError('QUERY_INVALID', sanitise(reply.message))
}

interface Replies {
  readonly next: () => Promise<Reply>
}

function ended(child: SandboxProcess['child'], query: SandboxQuery): AppError {
  if (query.signal.aborted)
    return new AppError('QUERY_LIMIT', 'The query was cancelled.', { hint: 'Run it again.' })
  if (child.killed) {
    return new AppError(
      'QUERY_LIMIT',
      `The query took longer than its limit of ${query.limits.timeoutMs} ms.`,
    )
  }
  const reason = child.signalCode ?? String(child.exitCode)
  return new AppError('QUERY_LIMIT', `The query's process ended before its result (${reason}).`, {
    hint: 'It may have used more memory than the machine has; narrow the query.',
  })
}

function repliesOf({ child, exited }: SandboxProcess, query: SandboxQuery): Replies {
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async next() {
      const line = await lines.next()
      if (line.done === true) {
        await exited
        throw ended(child, query)
      }
      const reply: Reply = JSON.parse(line.value)
      if (reply.type === 'failed') throw failed(reply)
      return reply
    },
  }
}

async function expectReply<T extends Reply['type']>(
  replies: Replies,
  type: T,
): Promise<Reply & { readonly type: T }> {
  const reply = await replies.next()
  if (isReply(reply, type)) return reply
  throw new AppError('SERVICE_ERROR', `The query process answered ${reply.type}, expected ${type}.`)
}

function isReply<T extends Reply['type']>(reply: Reply, type: T): reply is Reply & { readonly type: T } {
  return reply.type === type
}

async function* rowsOf(replies: Replies, onEnd: (end: SandboxEnd) => void): AsyncGenerator<readonly Value[]> {
  for (;;) {
    const reply = await replies.next()
    if (reply.type === 'rows') yield* reply.rows
    else if (reply.type === 'end') {
      onEnd({ count: reply.count, isTruncated: reply.truncated })
      return
    }
  }
}

/** Gives a process its query. It is killed when the query's signal aborts, when its time is over, and when disposed. */
export function openSandbox(running: SandboxProcess, query: SandboxQuery): Sandbox {
  const { child, exited } = running
  const kill = (): void => void child.kill('SIGKILL')
  const timer = setTimeout(kill, query.limits.timeoutMs)
  query.signal.addEventListener('abort', kill)
  if (query.signal.aborted) kill()
  const replies = repliesOf(running, query)
  const send = async (request: Request, payload?: Uint8Array): Promise<void> => {
    const { stdin } = child
    if (stdin.destroyed || child.killed) throw ended(child, query)
    if (!stdin.write(encodeRequest(request, payload))) await Promise.race([once(stdin, 'drain'), exited])
  }
  const { sql, limits, output } = query
  return {
    async plan() {
      await send({ type: 'plan', sql, limits, output })
      const { scans } = await expectReply(replies, 'planned')
      return scans
    },
    async feed(file, bytes) {
      for (let at = 0; at < bytes.length; at += chunkBytes)
        await send({ type: 'data', ...file }, bytes.subarray(at, at + chunkBytes))
    },
    async run() {
      await send({ type: 'run' })
      const { columns } = await expectReply(replies, 'columns')
      let end: SandboxEnd = { count: 0, isTruncated: false }
      const rows = rowsOf(replies, reached => (end = reached))
      return { columns, rows, end: () => end }
    },
    async [Symbol.asyncDispose]() {
      clearTimeout(timer)
      query.signal.removeEventListener('abort', kill)
      kill()
      await exited
    },
  }
}
