const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** A UUID version 7 (RFC 9562 §5.7) for a time in milliseconds since the epoch and at least 10 random bytes. */
export function uuidv7(timeMs: number, random: Uint8Array): string {
  const at = (index: number): string => hex[(random[index] ?? 0) & 0xff] ?? '00'
  const time = Math.floor(timeMs).toString(16).padStart(12, '0')
  const version = hex[0x70 | ((random[0] ?? 0) & 0x0f)] ?? '70'
  const variant = hex[0x80 | ((random[2] ?? 0) & 0x3f)] ?? '80'
  return `${time.slice(0, 8)}-${time.slice(8)}-${version}${at(1)}-${variant}${at(3)}-${at(4)}${at(5)}${at(6)}${at(7)}${at(8)}${at(9)}`
}
