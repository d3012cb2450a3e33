// The thread that packs large batches for an observed process: compressing and sealing take none of its own time.
import { parentPort } from 'node:worker_threads'
import { sealCompressed, type Sealer } from './batch.ts'
import { createCompressor } from './compress.ts'
import type { Packed, ToPack } from './pack-thread.ts'
import { sealerOf } from './sealer.ts'

const { encoding, compressSync } = createCompressor()
let current: Sealer | undefined

function pack({ id, keyText, plain, ...range }: ToPack): Packed {
  if (current?.keyText !== keyText) current = sealerOf(keyText)
  return { id, records: sealCompressed(range, compressSync(plain), { encoding, sealer: current }) }
}

/** Memory that belongs to these bytes alone changes hands; other memory is copied. */
function ownMemory({ records }: Packed): ArrayBuffer[] {
  return records.flatMap(({ value: { buffer, byteLength } }) =>
    buffer instanceof ArrayBuffer && byteLength === buffer.byteLength ? [buffer] : [],
  )
}

parentPort?.on('message', (asked: ToPack) => {
  const packed = pack(asked)
  parentPort?.postMessage(packed, ownMemory(packed))
})
