/** Castagnoli, reflected. */
const polynomial = 0x82f63b78
const tableSize = 256
const width = 8

/** Tables for eight bytes at a time ("slicing by 8", Intel 2006): table n continues table 0 by n zero bytes. */
function createTables(): Int32Array {
  const tables = new Int32Array(width * tableSize)
  for (let byte = 0; byte < tableSize; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    tables[byte] = crc
  }
  for (let index = tableSize; index < tables.length; index++) {
    const before = tables[index - tableSize] ?? 0
    tables[index] = (before >>> 8) ^ (tables[before & 0xff] ?? 0)
  }
  return tables
}

const tables = createTables()

function entry(table: number, byte: number): number {
  return tables[table * tableSize + (byte & 0xff)] ?? 0
}

/** CRC-32C (RFC 3720 §B.4) as an unsigned number: the checksum of Kafka's record batches. */
export function crc32c(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const whole = data.length - (data.length % width)
  let crc = -1
  for (let at = 0; at < whole; at += width) {
    const low = crc ^ view.getInt32(at, true)
    const high = view.getInt32(at + 4, true)
    crc =
      entry(7, low) ^
      entry(6, low >>> 8) ^
      entry(5, low >>> 16) ^
      entry(4, low >>> 24) ^
      entry(3, high) ^
      entry(2, high >>> 8) ^
      entry(1, high >>> 16) ^
      entry(0, high >>> 24)
  }
  for (let at = whole; at < data.length; at++) crc = entry(0, crc ^ (data[at] ?? 0)) ^ (crc >>> 8)
  return ~crc >>> 0
}
