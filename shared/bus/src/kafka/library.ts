import { createRequire } from 'node:module'
import { compressionTypes, zstdCodec } from './compression.ts'
import { crc32c } from './crc32c.ts'
import { decodeRecord, encodeRecord, groupMessages } from './wire.ts'

/** kafkajs, as it is loaded. */
export type Library = typeof import('kafkajs')

interface RequestQueue {
  readonly prototype: { scheduleCheckPendingRequests: (this: PendingRequests) => void }
}

interface PendingRequests {
  readonly pending: readonly unknown[]
}

/** Files of kafkajs 2.2.4 that are replaced as a whole, each by a function that does the same faster. */
const replacements: Readonly<Record<string, unknown>> = {
  'kafkajs/src/producer/groupMessagesPerPartition': groupMessages,
  'kafkajs/src/protocol/recordBatch/crc32C': crc32c,
  'kafkajs/src/protocol/recordBatch/record/v0': encodeRecord,
  'kafkajs/src/protocol/recordBatch/record/v0/decoder': decodeRecord,
}

const require = createRequire(import.meta.url)
let library: Library | undefined

/** The files that use these load later, at the first request; where a host has loaded them before, they stay as they are. */
function replaceFiles(): void {
  for (const [name, replacement] of Object.entries(replacements)) {
    require(name)
    const module = require.cache[require.resolve(name)]
    if (module !== undefined) module.exports = replacement
  }
}

/** Every idle connection re-arms a 1 ms timer for ever, 4 % of a core each, because a negative delay is computed. */
function stopIdleTimers(): void {
  const { prototype }: RequestQueue = require('kafkajs/src/network/requestQueue')
  const original = prototype.scheduleCheckPendingRequests
  prototype.scheduleCheckPendingRequests = function check(): void {
    if (this.pending.length > 0) original.call(this)
  }
}

/** Loads kafkajs with what it lacks: quiet idle connections, linear cost, zstd. */
export function loadLibrary(): Library {
  if (library !== undefined) return library
  replaceFiles()
  stopIdleTimers()
  const loaded: Library = require('kafkajs')
  const codec = zstdCodec()
  if (codec !== undefined) loaded.CompressionCodecs[compressionTypes.zstd] = () => codec
  library = loaded
  return loaded
}
