import { createHash } from 'node:crypto'
import {
  isConsistent,
  isSignedBy,
  parseCheckpoint,
  parseHashes,
  parseVerifierKey,
  type Checkpoint,
  type Cosigner,
} from '@muniment/archive'
import { AppError } from '@muniment/schema'
import type { StateEntry, StateStore } from '@muniment/state'

/** What a witness is made of. */
export interface WitnessOptions {
  readonly cosigner: Cosigner
  /** Verifier keys of the logs it watches. Keys of one name belong to one log. */
  readonly logs: readonly string[]
  /** Holds the newest cosigned checkpoint of each log. */
  readonly state: StateStore
  readonly nowMs: () => number
}

/** An answer of a witness, as HTTP has it. */
export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422
  readonly type: string
  readonly body: string
}

/** A witness of logs: https://c2sp.org/tlog-witness */
export interface Witness {
  /** Takes the body of an `add-checkpoint` request. Cosigns only what extends what it cosigned before, and has recorded it durably by then. */
  readonly addCheckpoint: (body: Buffer) => Promise<WitnessAnswer>
  /** The newest cosigned checkpoint of the log with this SHA-256 (hex) of its name. */
  readonly newest: (originHash: string) => Promise<string | undefined>
}

interface Request {
  readonly oldSize: number
  readonly path: readonly Buffer[]
  readonly checkpoint: Checkpoint
}

/** Cosigned before: what a checkpoint must extend. */
interface Known {
  readonly entry: StateEntry | undefined
  readonly head: Pick<Checkpoint, 'treeSize' | 'root'>
}

const text = 'text/plain; charset=utf-8'
const maxPathLines = 63
const emptyRoot = createHash('sha256').digest()

function refusal(status: WitnessAnswer['status'], why: string): WitnessAnswer {
  return { status, type: text, body: `${why}\n` }
}

function conflict(treeSize: number): WitnessAnswer {
  return { status: 409, type: 'text/x.tlog.size', body: `${treeSize}\n` }
}

/** Reads a request in the strictest sense of the format. */
function parseRequest(body: Buffer): Request | undefined {
  const end = body.indexOf('\n\n')
  const [first = '', ...lines] = body.toString('latin1', 0, Math.max(end, 0)).split('\n')
  const digits = /^old (0|[1-9]\d{0,15})$/u.exec(first)?.[1]
  const path = lines.length <= maxPathLines ? parseHashes(lines) : undefined
  const checkpoint = parseCheckpoint(body.subarray(end + 2))
  if (digits === undefined || path === undefined || checkpoint === undefined) return undefined
  return { oldSize: Number(digits), path, checkpoint }
}

function hashOf(origin: string): string {
  return createHash('sha256').update(origin).digest('hex')
}

function stateKey(originHash: string): string {
  return `witness/${originHash}`
}

async function readKnown(state: StateStore, key: string): Promise<Known> {
  const entry = await state.get(key)
  if (entry === undefined) return { entry, head: { treeSize: 0, root: emptyRoot } }
  const head = parseCheckpoint(Buffer.from(entry.value))
  if (head !== undefined) return { entry, head }
  // Going on from nothing would let the log start over.
  throw new AppError('ARCHIVE_DAMAGED', `What the witness recorded under ${key} cannot be read.`, {
    hint: 'Restore the state of the witness; without it the witness must not cosign this log.',
  })
}

/** Why a checkpoint is not cosigned; `undefined` where it extends what is known. */
function whyNot({ oldSize, path, checkpoint }: Request, { head }: Known): WitnessAnswer | undefined {
  if (oldSize > checkpoint.treeSize) return refusal(400, 'the old size is above the size of the checkpoint')
  if (oldSize !== head.treeSize) return conflict(head.treeSize)
  const isFork = checkpoint.treeSize === head.treeSize && !checkpoint.root.equals(head.root)
  if (isFork) return conflict(head.treeSize)
  return isConsistent(head, checkpoint, path)
    ? undefined
    : refusal(422, 'the consistency proof does not hold')
}

/** Creates a witness. Any number may share one state: it is replaced by compare-and-swap before anything is signed. */
export function createWitness(options: WitnessOptions): Witness {
  const { cosigner, state, nowMs } = options
  const verifiers = options.logs.map(parseVerifierKey)

  async function cosign(request: Request): Promise<WitnessAnswer> {
    const { checkpoint } = request
    const key = stateKey(hashOf(checkpoint.origin))
    const known = await readKnown(state, key)
    const refused = whyNot(request, known)
    if (refused !== undefined) return refused
    const line = cosigner.cosign(checkpoint.text, Math.floor(nowMs() / 1000))
    const own = Buffer.from(`${checkpoint.text}\n${line}`)
    const isRecorded = (await state.put(key, own, known.entry?.version)) !== undefined
    // Another request was faster: the log has to extend what that one recorded.
    if (!isRecorded) return conflict((await readKnown(state, key)).head.treeSize)
    return { status: 200, type: text, body: line }
  }

  return {
    async addCheckpoint(body) {
      const request = parseRequest(body)
      if (request === undefined) return refusal(400, 'not an add-checkpoint request')
      const { checkpoint } = request
      const own = verifiers.filter(({ name }) => name === checkpoint.origin)
      if (own.length === 0) return refusal(404, 'this log is not known here')
      if (!isSignedBy(checkpoint, own)) return refusal(403, 'not signed by a known key of the log')
      return await cosign(request)
    },
    async newest(originHash) {
      if (!/^[0-9a-f]{64}$/u.test(originHash)) return undefined
      const entry = await state.get(stateKey(originHash))
      return entry && Buffer.from(entry.value).toString()
    },
  }
}
