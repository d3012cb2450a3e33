/** Header fields as they stand on the wire: name, value, name, value …, duplicates and spelling kept. */
export type RawHeaders = readonly string[]

/** Fields of one connection, not of the message (RFC 9110 §7.6.1). */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
])

export function* fields(raw: RawHeaders): Generator<readonly [name: string, value: string]> {
  for (let at = 0; at + 1 < raw.length; at += 2) yield [raw[at] ?? '', raw[at + 1] ?? '']
}

/** The first value of a field, by lower-case name. */
export function valueOf(raw: RawHeaders, wanted: string): string | undefined {
  for (const [name, value] of fields(raw)) if (name.toLowerCase() === wanted) return value
  return undefined
}

/** All values of a field as one list. */
export function listOf(raw: RawHeaders, wanted: string): string[] {
  const out: string[] = []
  for (const [name, value] of fields(raw))
    if (name.toLowerCase() === wanted) out.push(...value.split(',').map(one => one.trim()))
  return out.filter(one => one !== '')
}

/** What a message carries past its connection, without the fields named in lower case. */
export function endToEnd(raw: RawHeaders, without: ReadonlySet<string>): string[] {
  const named = new Set(listOf(raw, 'connection').map(name => name.toLowerCase()))
  const out: string[] = []
  for (const [name, value] of fields(raw)) {
    const lower = name.toLowerCase()
    if (!hopByHop.has(lower) && !named.has(lower) && !without.has(lower)) out.push(name, value)
  }
  return out
}

/** Whether a body comes in chunks, after which trailers may stand. */
export function isChunked(raw: RawHeaders): boolean {
  return listOf(raw, 'transfer-encoding').some(one => one.toLowerCase() === 'chunked')
}
