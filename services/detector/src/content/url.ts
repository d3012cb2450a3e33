import { decodePercent } from './decode.ts'
import { nothing, type Span } from './document.ts'
import type { Inspection } from './inspection.ts'

const shape = /^\s{0,8}(?:url:)?([a-z][a-z0-9+.-]{1,24}):(?:[/\\]{0,4})([^/?#\s]{0,512})/iu
const web = new Set([
  'http',
  'https',
  'ws',
  'wss',
  'mailto',
  'tel',
  'git',
  'ssh',
  'git+ssh',
  'git+https',
  's3',
  'gs',
  'ftp',
  'ftps',
  'data',
  'urn',
  'doi',
  'pkg',
  'vscode',
  'about',
  'magnet',
  'mongodb',
  'mongodb+srv',
  'postgres',
  'postgresql',
  'mysql',
  'redis',
  'amqp',
  'kafka',
  'sqlite',
  'npm',
  'docker',
  'oci',
  'file',
  'arxiv',
  'ipfs',
  'spotify',
  'geo',
  'resource',
  'mcp',
  'memo',
  'note',
  'ui',
  'did',
  'ar',
  'http2',
])
const smuggling = new Set([
  'gopher',
  'dict',
  'ldap',
  'ldaps',
  'ldapi',
  'tftp',
  'jar',
  'netdoc',
  'php',
  'phar',
  'expect',
  'sftp',
  'imap',
  'pop3',
  'smtp',
  'telnet',
  'rmi',
  'jndi',
  'zip',
  'rtsp',
  'rtmp',
])
const metadata =
  /^(?:metadata(?:\.google\.internal|\.goog|\.packet\.net|\.platformequinix\.com)?|instance-data(?:\.ec2\.internal)?|kubernetes\.default(?:\.svc(?:\.cluster\.local)?)?|rancher-metadata|alibaba-metadata|host\.docker\.internal)$/u
const loopbackName =
  /^(?:localhost|localhost\.localdomain|localhost6|ip6-localhost|localtest\.me|(?:[\w-]{1,40}\.)?lvh\.me|vcap\.me|spoofed\.burpcollaborator\.net|bugbounty\.dod\.network|0)$/u
const wildcardDns =
  /(?:^|[.-])(\d{1,3})[.-](\d{1,3})[.-](\d{1,3})[.-](\d{1,3})\.(?:nip\.io|xip\.io|sslip\.io|[\w-]{1,20}\.1time\.[\w.-]{1,40}|1u\.ms)$/u
const metadataPath =
  /\/(?:latest\/(?:meta-data|user-data|dynamic|api\/token|attributes)|computemetadata|metadata\/(?:v1|instance|identity)|opc\/v[12]|openstack\/?|meta-data\/|v2\/credentials|20\d\d-\d\d-\d\d\/(?:meta|user)-data)/iu
const adminPath =
  /^\/(?:v1\.\d+\/containers|containers\/json|images\/json|v2\/keys|api\/v1\/(?:namespaces|pods|secrets)|_cat\/|server-status|actuator|admin|phpmyadmin|solr\/|ssrf|console|jmx-console|manager\/html)/iu

/** One part of an address as `inet_aton` reads it: decimal, octal or hexadecimal. */
function part(text: string): number {
  if (/^0x[0-9a-f]{1,8}$/iu.test(text)) return Number.parseInt(text, 16)
  if (/^0[0-7]{1,11}$/u.test(text)) return Number.parseInt(text, 8)
  return /^\d{1,10}$/u.test(text) ? Number(text) : Number.NaN
}

interface Address {
  readonly value: number
  /** Four decimal numbers; everything else is a disguise. */
  readonly isPlain: boolean
}

function addressOf(host: string): Address | undefined {
  const parts = host.replace(/\.$/u, '').split('.')
  if (parts.length > 4) return undefined
  const numbers = parts.map(part)
  if (numbers.some(number => Number.isNaN(number))) return undefined
  const last = numbers.pop() ?? 0
  const value = numbers.reduce((sum, number, index) => sum + number * 256 ** (3 - index), last) % 2 ** 32
  return { value, isPlain: parts.length === 4 && parts.every(each => /^(?:0|[1-9]\d{0,2})$/u.test(each)) }
}

/** Address blocks that are not the public network, as [first, last, score], most telling first. */
const blocks: readonly (readonly [first: string, last: string, score: number])[] = [
  ['169.254.0.0', '169.254.255.255', 0.95],
  ['100.100.100.200', '100.100.100.200', 0.95],
  ['192.0.0.192', '192.0.0.192', 0.95],
  ['127.0.0.1', '127.0.0.1', 0.6],
  ['127.0.0.0', '127.255.255.255', 0.8],
  ['0.0.0.0', '0.255.255.255', 0.8],
  ['10.0.0.0', '10.255.255.255', 0.4],
  ['172.16.0.0', '172.31.255.255', 0.4],
  ['192.168.0.0', '192.168.255.255', 0.4],
  ['100.64.0.0', '100.127.255.255', 0.4],
]

function numberOf(dotted: string): number {
  return dotted.split('.').reduce((sum, each) => sum * 256 + Number(each), 0)
}

const ranges = blocks.map(([first, last, score]) => ({ first: numberOf(first), last: numberOf(last), score }))

function addressScore({ value, isPlain }: Address): number {
  const score = ranges.find(({ first, last }) => value >= first && value <= last)?.score ?? 0
  return isPlain || score > 0.85 ? score : 0.85
}

function ipv6Score(host: string): number {
  const text = host.slice(1, host.indexOf(']')).toLowerCase()
  const mapped = /(?:::ffff:|::)(\d{1,3}(?:\.\d{1,3}){3})$/u.exec(text)?.[1]
  const address = mapped === undefined ? undefined : addressOf(mapped)
  if (address !== undefined) return Math.max(0.85, addressScore(address))
  if (/^(?:0{0,4}:){2,7}(?:0{0,4}:?)?0{0,3}1?$/u.test(text) || text.startsWith('::ffff:7f')) return 0.8
  return /^(?:fd00:ec2|fe80|fd20:ce)/u.test(text) ? 0.9 : 0
}

function hostScore(host: string): number {
  if (host.startsWith('[')) return ipv6Score(host)
  if (metadata.test(host)) return 0.92
  if (loopbackName.test(host)) return 0.6
  const embedded = wildcardDns.exec(host)
  const address = addressOf(embedded === null ? host : embedded.slice(1, 5).join('.'))
  if (address === undefined) return 0
  const score = addressScore(address)
  return embedded !== null && score > 0 ? 0.92 : score
}

/** Hosts that two readers of one URL take differently. */
function confusionScore(text: string, authority: string): number {
  // What stands behind the first slash of the path confuses nobody about the host.
  const host = /^[^/]{0,32}:[/\\]{0,4}[^/]{0,256}/u.exec(text)?.[0] ?? ''
  if (/[\\#].{0,80}@|@{2}|\s@|@.{0,80}@/u.test(host) || /\?{3}/u.test(authority)) return 0.75
  return /[\u2460-\u24ff\uff00-\uffef\u3002]/u.test(authority) ? 0.85 : 0
}

/** Ports beyond the reserved ones, where people run what they are developing, less those of stores and control planes. */
const developing =
  /:(?!(?:1433|1521|2049|2375|2376|2379|2380|3306|3389|4194|4243|5432|5672|5900|5984|6379|6443|8500|9042|9200|9300|10250|10255|11211|15672|27017|28017|50070)$)(?:[1-9]\d{3}|[1-5]\d{4})$/u

function targetScore(authority: string): number {
  const at = authority.lastIndexOf('@')
  const place = authority.slice(at + 1)
  const isOwn = /^(?:localhost|127\.0\.0\.1|\[::1\])/u.test(place) && developing.test(place)
  if (isOwn && at < 0) return 0.4
  if (place.startsWith('[')) return hostScore(place)
  const host = decodePercent(place)
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[:\\].{0,512}$/su, '')
  const score = hostScore(host)
  return score > 0 && at >= 0 ? Math.min(0.97, score + 0.2) : score
}

function judgeWeb(text: string, authority: string): number {
  const target = targetScore(authority)
  const rest = text.slice(text.indexOf(authority) + authority.length)
  const path = rest.includes('%') ? decodePercent(decodePercent(rest)) : rest
  const wantsMetadata = metadataPath.test(path)
  const isWanted = target > 0 && (wantsMetadata || adminPath.test(path))
  const raised = isWanted ? Math.min(0.97, target + 0.2) : target
  return Math.max(raised, wantsMetadata ? 0.75 : 0, confusionScore(text, authority))
}

const systemFile =
  /^\s{0,8}file:\/{1,3}(?:localhost|127\.0\.0\.1)?\/?(?:etc|proc|root|sys|boot|dev|var\/(?:log|lib|www|spool)|[a-z]:\/windows)(?:\/|$)|\.ssh\/|\.aws\/|\/\.env\b|^\s{0,8}file:\/\/[\w.-]{1,64}@?\\|\.\.\//iu
const plainWeb = new Set(['http', 'https', 'ftp', 'ws', 'wss'])

function schemeScore(scheme: string, authority: string, text: string): number {
  if (plainWeb.has(scheme)) return judgeWeb(text, authority)
  if (smuggling.has(scheme)) return 0.9
  if (scheme === 'file') return systemFile.test(text) ? 0.85 : 0.3
  const isOdd = !web.has(scheme) && /^\w{2,12}:\/\//u.test(text)
  return isOdd && hostScore(authority.toLowerCase()) > 0 ? 0.7 : 0
}

/** Requests that a server should not be talked into: its own machine, metadata services, private networks, other protocols, disguised hosts. */
export function detectSsrf({ text, role }: Inspection): Span {
  const found = text.length < 4096 ? shape.exec(text) : null
  if (found === null) return nothing
  const [, scheme = '', authority = ''] = found
  const name = scheme.toLowerCase()
  // Outside a parameter for URLs, `name: value` is ordinary.
  if (role !== 'url' && !plainWeb.has(name) && !smuggling.has(name)) return nothing
  return { score: schemeScore(name, authority, text), start: 0, end: text.length }
}
