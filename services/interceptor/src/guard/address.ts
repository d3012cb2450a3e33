import { isIPv4, isIPv6 } from 'node:net'

/** What all whose address cannot be told have in common. */
const unknown = 'unknown'
const groupsOfAddress = 8
const groupsOfNetwork = 4

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16))
}

/** The last 32 bits in dots are two groups like any other. */
function withoutDots(text: string): string {
  return text.replace(/[\d.]+$/u, dotted => {
    if (!dotted.includes('.')) return dotted
    const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number)
    return [a * 256 + b, c * 256 + d].map(group => group.toString(16)).join(':')
  })
}

function expand(text: string): readonly number[] {
  const [head = '', tail] = withoutDots(text).split('::', 2)
  const [first, last] = [groupsOf(head), groupsOf(tail ?? '')]
  const missing = tail === undefined ? 0 : groupsOfAddress - first.length - last.length
  return [...first, ...Array.from({ length: missing }, () => 0), ...last]
}

/** Prefixes behind which an IPv4 address stands: mapped (RFC 4291 §2.5.5.2) and translated (RFC 6052). */
const embedding: readonly (readonly number[])[] = [
  [0, 0, 0, 0, 0, 0xff_ff],
  [0x64, 0xff_9b, 0, 0, 0, 0],
]

function embedded(groups: readonly number[]): string | undefined {
  if (!embedding.some(prefix => prefix.every((group, index) => groups[index] === group))) return undefined
  const [high = 0, low = 0] = groups.slice(-2)
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/** An address without what is around it: brackets, a port, a zone. */
function bare(text: string): string {
  const trimmed = text.trim()
  const [, inner] = /^\[([^\]]*)\](?::\d+)?$/u.exec(trimmed) ?? []
  const [, alone] = /^([\d.]+):\d+$/u.exec(trimmed) ?? []
  return (inner ?? alone ?? trimmed).replace(/%.*$/u, '').toLowerCase()
}

/**
 * One name for what one client can call from: an IPv4 address in whatever form, of IPv6 the network of 64 bits that
 * each subscriber has to himself.
 */
export function addressKey(address: string | undefined): string {
  const text = bare(address ?? '')
  if (isIPv4(text)) return text
  if (!isIPv6(text)) return unknown
  const groups = expand(text)
  const network = groups.slice(0, groupsOfNetwork).map(group => group.toString(16))
  return embedded(groups) ?? `${network.join(':')}::/64`
}

/** The IPv4 address behind an IPv6 one that embeds it; any other address as it is. */
export function innerAddress(address: string): string {
  const text = bare(address)
  return isIPv6(text) ? (embedded(expand(text)) ?? text) : text
}
