// How batches travel to a collector: the bytes of a spool segment, which carry a length and a checksum for every record.
import type { SealedRecord } from '../batch.ts'
import { decodeRecords, encodeRecords } from '../spool/segment.ts'

export const batchesPath = '/v1/batches'
export const contentType = 'application/vnd.muniment.batches'
/** Bytes of one request that every collector takes. */
export const maxRequestBytes = 4 * 1024 * 1024

/** The bodies of the requests that carry these records, in order. */
export function requestBodies(records: readonly SealedRecord[]): Buffer[] {
  const bodies: Buffer[] = []
  let open: Buffer[] = []
  let bytes = 0
  for (const record of records) {
    const encoded = encodeRecords([record])
    if (bytes + encoded.length > maxRequestBytes) {
      bodies.push(Buffer.concat(open))
      open = []
      bytes = 0
    }
    open.push(encoded)
    bytes += encoded.length
  }
  if (open.length > 0) bodies.push(Buffer.concat(open))
  return bodies
}

/** The records of one request; `undefined` where a byte is missing, wrong or too many. */
export function readBody(body: Buffer): readonly SealedRecord[] | undefined {
  try {
    const { records, consumedBytes, damaged } = decodeRecords(body)
    return damaged === 0 && consumedBytes === body.length ? records : undefined
  } catch {
    return undefined
  }
}
