import { openLog, type ArchiveStore, type Log } from '@muniment/archive'
import type { Keys } from '@muniment/keys'
import type { Logger, Metrics, Task } from '@muniment/runtime'
import { isAppError } from '@muniment/schema'
import type { StateStore } from '@muniment/state'
import { createAnchoring, type UnwitnessedSpan } from './anchoring.ts'
import { createLease } from './lease.ts'
import type { Witnesses } from './witnesses.ts'

/** What a notary is made of. */
export interface NotaryOptions {
  readonly store: ArchiveStore
  readonly keys: Pick<Keys, 'logSigner' | 'logVerifierKeys'>
  /** Holds the lease. */
  readonly state: StateStore
  readonly log: Logger
  readonly nowMs?: () => number
  /** Calls `run` after `delayMs`; the returned function cancels it. */
  readonly after?: (delayMs: number, run: () => void) => () => void
  /** How often new manifests are looked for; longer, up to four times, while there are none. Default 1,000. */
  readonly intervalMs?: number
  /** How long the store keeps the log's objects against everybody; no lock where left out. */
  readonly retentionDays?: number | undefined
  /** After how long without anything to add the log gets a heartbeat; never where left out. */
  readonly heartbeatMs?: number
  /** Who cosigns the log's head; nobody where left out. */
  readonly witnesses?: Witnesses | undefined
  /** How long the log may grow without the cosignatures that the policy asks for before `onUnwitnessed` is called; default 5 minutes. */
  readonly maxUnwitnessedMs?: number
  /** Called once each time that span is exceeded. */
  readonly onUnwitnessed?: (span: UnwitnessedSpan) => void
  readonly metrics?: Metrics | undefined
}

const leaseKey = 'lease/notary'
const leaseMs = 15_000
const maxIdleFactor = 4
const restTimeoutMs = 10_000

function afterTimeout(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs)
  return () => clearTimeout(timer)
}

type After = NonNullable<NotaryOptions['after']>

/** Resolves after `delayMs`, or when the signal aborts. */
function wait(after: After, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const cancel = after(delayMs, done)
    if (signal.aborted) done()
    else signal.addEventListener('abort', done)
  })
}

async function openTree(options: NotaryOptions, now: () => number): Promise<Log> {
  const { store, keys, retentionDays, heartbeatMs } = options
  const signer = await keys.logSigner()
  const formerKeys = await keys.logVerifierKeys()
  const lock = retentionDays === undefined ? {} : { retentionDays }
  return openLog({ store, signer, formerKeys, now, heartbeatMs, ...lock })
}

/** Adds what is not in the log yet, once: the last act of a process in which the archiver has ended. */
export async function anchorRest(options: NotaryOptions): Promise<void> {
  const { nowMs = Date.now, log } = options
  const tree = await openTree(options, nowMs)
  const head = await tree.integrate()
  if (head.added > 0) log.info('notary.signed', { added: head.added, treeSize: head.treeSize })
  const anchoring = createAnchoring({ ...options, nowMs, tree })
  anchoring.see(head, AbortSignal.timeout(restTimeoutMs))
  await anchoring.settled()
}

/** Adds new manifests to the archive's log and signs its head. Any number may run: one works, and if two do, the log stays one. */
export function createNotary(options: NotaryOptions): Task {
  const { state, log, nowMs = Date.now, after = afterTimeout, intervalMs = 1000 } = options
  const lease = createLease({ state, key: leaseKey, holder: crypto.randomUUID(), durationMs: leaseMs, nowMs })

  async function work(signal: AbortSignal): Promise<void> {
    const tree = await openTree(options, nowMs)
    const anchoring = createAnchoring({ ...options, nowMs, tree })
    const step = async (): Promise<number> => {
      if (!(await lease.hold())) return 0
      const head = await tree.integrate()
      if (head.added > 0) log.info('notary.signed', { added: head.added, treeSize: head.treeSize })
      anchoring.see(head, signal)
      return head.added
    }
    let pauseMs = intervalMs
    while (!signal.aborted) {
      const added = await step().catch((error: unknown) => {
        // A log that contradicts itself must be seen by people; anything else passes.
        if (!isAppError(error) || error.code === 'ARCHIVE_DAMAGED') throw error
        log.warn('notary.retry', { code: error.code, message: error.message })
        return 0
      })
      pauseMs = added > 0 ? intervalMs : Math.min(pauseMs * 1.5, intervalMs * maxIdleFactor)
      await wait(after, pauseMs, signal)
    }
    await anchoring.settled()
  }

  return {
    async run(signal) {
      try {
        await work(signal)
      } finally {
        await lease.release().catch(() => undefined)
      }
    },
  }
}
