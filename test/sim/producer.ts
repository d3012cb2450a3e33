import { zstdCompressSync } from 'node:zlib'
import {
  createBusSink,
  createInterceptorCore,
  type Channel,
  type Core,
  type SealedRecord,
  type Spool,
} from '@muniment/interceptor/core'
import type { OutgoingRecord } from '@muniment/bus'
import { parseIngestKey, sealBatch, sealOverheadBytes } from '@muniment/keys/seal'
import { topic } from '@muniment/schema'
import type { Broker } from './broker.ts'
import { openSimBus } from './bus.ts'
import { answer, ask, cancel, makeCall, type Call } from './calls.ts'
import { createProcess, type Process } from './process.ts'
import type { Random } from './random.ts'
import { createDisk, openSimSpool } from './spool.ts'

/** What a lane was given, for comparison with what the archive has of it. */
export interface LaneRecord {
  readonly lane: string
  /** At `seq - 1`, for numbers after the start: the call that ended there; 0 = no call, such as a notification. */
  readonly exchanges: number[]
  readonly attacks: Set<number>
  /** Numbers up to here are known to be durable. */
  durableSeq: number
  /** Whether the lane was closed in order; then its end has the number after the last exchange. */
  isClosed: boolean
  dropped: number
}

/** Batches that were spoilt on their way to the bus: first and last number. */
export interface Poisoned {
  readonly lane: string
  readonly first: number
  readonly last: number
}

/** An observed server. */
export interface Producer {
  readonly process: Process
  readonly record: LaneRecord
  readonly disk: Spool
  /** Ends the lane in order. */
  readonly close: () => Promise<void>
}

export interface ProducerOptions {
  readonly name: string
  readonly broker: Broker
  readonly random: Random
  readonly ingestKey: string
  readonly calls: number
  readonly nextCallId: () => number
  readonly onPoisoned: (poisoned: Poisoned) => void
}

const ringBytes = { small: 6000, large: 1_000_000 } as const

/** Spoils a batch, as a broken disk or a wrong key would. */
function spoil(record: SealedRecord): SealedRecord {
  const value = Uint8Array.from(record.value)
  value[value.length - 1] = (value[value.length - 1] ?? 0) ^ 1
  return { ...record, value }
}

/** Numbers that no lane of a run comes to. */
export const forgedFrom = 1_000_000

/** What somebody with an interceptor's credentials may write into the lane of another: numbers it may have some day. */
function forge({ key, headers, value }: SealedRecord, random: Random): OutgoingRecord {
  const first = forgedFrom + random.int(50)
  const numbers = { mun_first: String(first), mun_last: String(first + random.int(50)) }
  return { key, value: random.bytes(value.length), headers: { ...headers, ...numbers } }
}

function publisher(
  options: ProducerOptions,
  process: Process,
): (records: readonly SealedRecord[]) => Promise<void> {
  const { broker, onPoisoned } = options
  const bus = openSimBus(broker, process)
  const { faults, trace } = broker.surroundings
  return async records => {
    const sent = records.map(record => {
      if (faults.happens('forge')) broker.append(topic.raw, [forge(record, options.random)])
      if (!faults.happens('poison')) return record
      const { mun_first: first, mun_last: last } = record.headers
      onPoisoned({ lane: record.key, first: Number(first), last: Number(last) })
      trace(process.name, `spoils ${record.key}:${first}-${last}`)
      return spoil(record)
    })
    await bus.publish(topic.raw, sent)
  }
}

function openCore(options: ProducerOptions, process: Process, disk: Spool): Core {
  const { broker, random, ingestKey, name } = options
  const { surroundings } = broker
  const key = parseIngestKey(ingestKey)
  const { clock } = process
  const onProblem = (problem: { readonly code: string }): void =>
    surroundings.trace(name, `problem ${problem.code}`)
  const seal = (plaintext: Uint8Array, aad: Uint8Array): Uint8Array => sealBatch(key, plaintext, aad)
  return createInterceptorCore({
    instance: random.bytes(8).toString('hex'),
    epoch: 0,
    version: '0.1.0',
    tenant: 'default',
    clock,
    random: random.bytes,
    packer: {
      encoding: 'zstd',
      compress: async bytes => {
        await process.pause(random.between(0, 3))
        return zstdCompressSync(bytes)
      },
      compressSync: bytes => zstdCompressSync(bytes),
      sealer: () => ({ kid: key.kid, overheadBytes: sealOverheadBytes, seal }),
    },
    sink: createBusSink({
      publish: publisher(options, process),
      spool: openSimSpool(disk, surroundings, process),
      clock,
      onProblem,
    }),
    onProblem,
    ringMaxBytes: random.chance(0.3) ? ringBytes.small : ringBytes.large,
    windowMs: random.between(5, 900),
    heartbeatMs: 8000,
  })
}

interface Talk {
  readonly channel: Channel
  readonly record: LaneRecord
  readonly options: ProducerOptions
  readonly process: Process
  readonly open: Set<Call>
}

function end({ channel, record, options, open }: Talk, call: Call): void {
  if (!open.delete(call)) return
  record.exchanges.push(call.id)
  if (!options.random.chance(0.05)) return answer(channel, call)
  // A cancellation ends the call, and is recorded itself.
  record.exchanges.push(0)
  cancel(channel, call)
}

async function noteDurable({ record }: Talk, core: Core, seq: number): Promise<void> {
  await core.flush()
  record.durableSeq = Math.max(record.durableSeq, seq)
}

function converse(talk: Talk, core: Core, left: number): void {
  const { channel, record, options, process, open } = talk
  const { random } = options
  if (left === 0 || record.isClosed) return
  const call = makeCall(options.nextCallId(), random)
  if (call.isAttack) record.attacks.add(call.id)
  open.add(call)
  ask(channel, call)
  process.after(random.between(0, 50), () => end(talk, call))
  if (random.chance(0.2)) {
    const seq = record.exchanges.length
    void noteDurable(talk, core, seq)
  }
  const waitMs = random.chance(0.6) ? random.between(0, 20) : random.between(0, 2500)
  process.after(waitMs, () => converse(talk, core, left - 1))
}

/** Starts a server that is called some times. */
export function startProducer(options: ProducerOptions): Producer {
  const { name, broker, random, calls } = options
  const { time, trace } = broker.surroundings
  const process = createProcess({ name, time, random, trace })
  const disk = createDisk(random.chance(0.2) ? 4000 : 10_000_000)
  const core = openCore(options, process, disk)
  const record: LaneRecord = {
    lane: core.lane,
    exchanges: [],
    attacks: new Set(),
    durableSeq: -1,
    isClosed: false,
    dropped: 0,
  }
  trace(name, `opens lane ${core.lane}`)
  const channel = core.open({ id: name, transport: 'stdio', tenant: 'default', serverName: 'desk' })
  const open = new Set<Call>()
  process.onCrash(() => {
    record.dropped = core.stats().dropped
  })
  process.after(1, () => converse({ channel, record, options, process, open }, core, calls))
  return {
    process,
    record,
    disk,
    close: async () => {
      record.isClosed = true
      // Calls without an answer are recorded as such, in the order in which they were asked.
      for (const call of open) record.exchanges.push(call.id)
      open.clear()
      const closed = core.close()
      record.dropped = core.stats().dropped
      await closed
      record.durableSeq = record.exchanges.length + 1
      trace(name, `closed its lane at ${record.durableSeq}`)
    },
  }
}
