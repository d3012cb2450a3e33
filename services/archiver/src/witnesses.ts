import { checkSignatures, parseCheckpoint, type WitnessPolicy } from '@muniment/archive'
import type { Logger } from '@muniment/runtime'

/** What asking witnesses needs. */
export interface WitnessesOptions {
  readonly policy: WitnessPolicy
  readonly log: Logger
  /** For each witness, all its attempts together. */
  readonly timeoutMs: number
}

/** A signed checkpoint, and proofs that it extends older ones. */
interface Growing {
  readonly note: string
  readonly treeSize: number
  readonly proofFrom: (olderSize: number) => readonly Buffer[]
}

/** The witnesses of a policy. */
export interface Witnesses {
  /** Whether a checkpoint carries what the policy asks for. */
  readonly isWitnessed: (note: string) => boolean
  /** Asks every witness that has not cosigned yet. Resolves to the checkpoint with all valid cosignatures, `undefined` where they are too few. Never rejects. */
  readonly ask: (growing: Growing, signal: AbortSignal) => Promise<string | undefined>
}

type Member = WitnessPolicy['witnesses'][number]

/** Size that a witness cosigned last, as far as we know. */
type KnownSizes = Map<string, number>

const maxAttempts = 3
const maxAnswerBytes = 64 * 1024

function requestBody({ note, proofFrom }: Growing, oldSize: number): string {
  const lines = [`old ${oldSize}`, ...proofFrom(oldSize).map(hash => hash.toString('base64')), '', note]
  return lines.join('\n')
}

async function readAnswer(response: Response): Promise<string> {
  const length = Number(response.headers.get('content-length') ?? 0)
  if (length > maxAnswerBytes) throw new Error(`an answer of ${length} bytes`)
  let answer = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    answer += decoder.decode(chunk, { stream: true })
    if (answer.length > maxAnswerBytes) throw new Error('an answer without end')
  }
  return answer
}

/** The line of an answer that is this witness's cosignature on the checkpoint. */
function validLine(
  note: string,
  answer: string,
  { policy, member }: { policy: WitnessPolicy; member: Member },
): string {
  const { name } = member.verifier
  const line = answer.split('\n').find(each => each.startsWith(`\u2014 ${name} `))
  const checkpoint = parseCheckpoint(Buffer.from(`${note}${line ?? ''}\n`))
  const signed = checkpoint && checkSignatures(checkpoint, { verifiers: [], policy })
  if (line === undefined || signed?.cosignatures.some(each => each.name === name) !== true)
    throw new Error('its answer holds no valid cosignature')
  return `${line}\n`
}

interface Asking {
  readonly options: WitnessesOptions
  readonly sizes: KnownSizes
  readonly growing: Growing
  readonly signal: AbortSignal
}

function sizeIn(answer: string, treeSize: number): number {
  const size = /^(?:0|[1-9]\d{0,15})\n$/u.test(answer) ? Number(answer) : NaN
  if (Number.isNaN(size)) throw new Error('a conflict without a size')
  if (size > treeSize) throw new Error(`it has cosigned ${size} entries, the log has ${treeSize}`)
  return size
}

async function askOne(asking: Asking, member: Member): Promise<string> {
  const { options, sizes, growing, signal } = asking
  const { name } = member.verifier
  const url = `${(member.url ?? '').replace(/\/+$/u, '')}/add-checkpoint`
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const known = Math.min(sizes.get(name) ?? 0, growing.treeSize)
    const response = await fetch(url, {
      method: 'POST',
      body: requestBody(growing, known),
      signal,
      redirect: 'error',
    })
    const answer = await readAnswer(response)
    if (response.status === 200) {
      const line = validLine(growing.note, answer, { policy: options.policy, member })
      sizes.set(name, growing.treeSize)
      return line
    }
    if (response.status !== 409) throw new Error(`it answered ${response.status}`)
    const size = sizeIn(answer, growing.treeSize)
    if (size === known) throw new Error(`it has cosigned another log of ${size} entries`)
    sizes.set(name, size)
  }
  throw new Error('it changed its mind at every attempt')
}

/** Talks to the witnesses of a policy; what each has seen is asked of it, not kept. */
export function createWitnesses(options: WitnessesOptions): Witnesses {
  const { policy, log, timeoutMs } = options
  const sizes: KnownSizes = new Map()
  const signed = (note: string): ReturnType<typeof checkSignatures> | undefined => {
    const checkpoint = parseCheckpoint(Buffer.from(note))
    return checkpoint && checkSignatures(checkpoint, { verifiers: [], policy })
  }
  const isWitnessed = (note: string): boolean => signed(note)?.isWitnessed === true
  return {
    isWitnessed,
    async ask(growing, signal) {
      const there = new Set(signed(growing.note)?.cosignatures.map(({ name }) => name))
      const asked = policy.witnesses.filter(
        ({ url, verifier }) => url !== undefined && !there.has(verifier.name),
      )
      const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
      const lines = await Promise.all(
        asked.map(member =>
          askOne({ options, sizes, growing, signal: limit }, member).catch((error: unknown) => {
            const reason = error instanceof Error ? error.message : String(error)
            log.warn('notary.witness_failed', { witness: member.verifier.name, reason })
            return ''
          }),
        ),
      )
      const cosigned = growing.note + lines.join('')
      return isWitnessed(cosigned) ? cosigned : undefined
    },
  }
}
