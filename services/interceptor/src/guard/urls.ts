import { lookup } from 'node:dns/promises'
import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { AppError } from '@muniment/schema'
import { innerAddress } from './address.ts'

/** Where arguments that are URLs may lead. */
export interface UrlOptions {
  /** Names of arguments that are URLs; default those whose last word is url, uri, href, link, endpoint, webhook or callback. */
  readonly parameters?: readonly string[]
  /** Hosts that may be asked whatever their addresses are, as in `intranet.example.com`. */
  readonly allow?: readonly string[]
  /** All addresses of a host name, as the server will find them; default the operating system's answer. */
  readonly resolve?: (host: string) => Promise<readonly string[]>
}

/** What is wrong with where a URL leads; `undefined` where nothing is. */
export type UrlCheck = (text: string) => Promise<string | undefined>

/** More than a request needs: each costs a question to a server of names. */
export const mostUrls = 16
const mostLookups = 32
const timeoutMs = 3000

const urlWord = /(?:^|[^a-z])(?:url|urls|uri|uris|href|link|links|endpoint|webhook|callback)$/u

/** Whether an argument of this name is a URL. */
export function isUrlName(name: string, { parameters }: UrlOptions): boolean {
  if (parameters !== undefined) return parameters.includes(name)
  return urlWord.test(name.replaceAll(/([a-z\d])([A-Z])/gu, '$1 $2').toLowerCase())
}

type Networks = readonly (readonly [address: string, prefix: number])[]

/** IANA's special-purpose registries, as far as they are not the public internet. */
const closed4: Networks = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
]
/** Of IPv6 only global unicast, 2000::/3, is public, and of that not what stands for documents and for IPv4. */
const closed6: Networks = [
  ['::', 3],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['4000::', 2],
  ['8000::', 1],
]

function listOf(networks: Networks, family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList()
  for (const [address, prefix] of networks) list.addSubnet(address, prefix, family)
  return list
}

// Two lists: one of both families takes an IPv4 address for the IPv6 one that embeds it.
const [not4, not6] = [listOf(closed4, 'ipv4'), listOf(closed6, 'ipv6')]

/** Whether an address is of the public internet. What cannot be read is not. */
function isPublic(address: string): boolean {
  const inner = innerAddress(address)
  if (isIPv4(inner)) return !not4.check(inner, 'ipv4')
  return isIPv6(inner) && !not6.check(inner, 'ipv6')
}

async function systemAddresses(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true })
  return found.map(({ address }) => address)
}

/** The host of a URL as browsers read it, and many servers that put `https://` before what has no scheme. */
function hostOf(text: string): { readonly host: string } | { readonly fault: string } {
  const trimmed = text.trim()
  const whole = /^[a-z][a-z\d+.-]*:(?!\d)/iu.test(trimmed)
    ? trimmed
    : `https://${trimmed.replace(/^[\\/]+/u, '')}`
  if (!URL.canParse(whole)) return { fault: 'url_unreadable' }
  const { protocol, hostname } = new URL(whole)
  if (protocol !== 'http:' && protocol !== 'https:') return { fault: 'url_scheme' }
  return { host: hostname.replaceAll(/^\[|\]$/gu, '').replace(/\.$/u, '') }
}

/** Refuses URLs that lead to addresses of machines, sites and networks, by their own word or by their name's. Throws `CONFIG_INVALID`. */
export function createUrlCheck({ allow = [], resolve = systemAddresses }: UrlOptions): UrlCheck {
  if (allow.some(host => !/^[\w.:-]+$/u.test(host)))
    throw new AppError('CONFIG_INVALID', 'validate.urls.allow has something that is no host name.', {
      hint: 'Name hosts without scheme, port and path.',
    })
  const allowed = new Set(allow.map(host => host.toLowerCase()))
  let lookups = 0

  async function addressesOf(host: string): Promise<readonly string[]> {
    if (isIPv4(host) || isIPv6(host)) return [host]
    lookups += 1
    const late = AbortSignal.timeout(timeoutMs)
    const ended = new Promise<never>((_, reject) => {
      late.addEventListener('abort', () => reject(new Error('late')), { once: true })
    })
    try {
      return await Promise.race([resolve(host), ended])
    } finally {
      lookups -= 1
    }
  }

  return async text => {
    const read = hostOf(text)
    if ('fault' in read) return read.fault
    if (allowed.has(read.host)) return undefined
    if (lookups >= mostLookups) return 'url_busy'
    try {
      const addresses = await addressesOf(read.host)
      return addresses.length > 0 && addresses.every(isPublic) ? undefined : 'url_private'
    } catch {
      return 'url_unresolved'
    }
  }
}
