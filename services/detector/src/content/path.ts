import { decodePercent } from './decode.ts'
import { nothing, type Span } from './document.ts'
import type { Inspection } from './inspection.ts'

const longest = 2048
const hint =
  /^[\w+/-]{12,2048}={0,2}$|\.\.|%|\\|^\s{0,8}(?:\/|~|[a-z]:|file:|\w{2,12}:\/\/)|\.(?:ssh|aws|env|ht\w+|git\/)|iconv|boot\.ini|etc\/|win\.ini/iu

/** Places outside any project, most telling first. */
const places: readonly (readonly [RegExp, number])[] = [
  [
    /^\/?(?:private\/)?etc\/(?:passwd|shadow|sudoers|gshadow|group|security|master\.passwd)|^\/?proc\/(?:self|\d+|version|cmdline|mounts|net|sched_debug)|(?:^|\/)(?:boot\.ini|win\.ini|windows\/(?:system32|win\.ini|repair|system\.ini)|winnt\/|\.ssh\/(?:id_|authorized|config)|\.aws\/credentials)/iu,
    0.88,
  ],
  [
    /^\/(?:etc|proc|root|boot|sys|dev)(?:\/|$)|^\/var\/(?:log|adm|spool|mail|cpanel|backups|www|apache\w*|run|db|lib\/(?:mlocate|mysql|php\d?|sudo|cloud|kubelet|docker))(?:\/|$)|^\/?[a-z]:\/(?:system32|windows|winnt|boot|inetpub|program\s?files\/(?:$|apache|mysql|php|filezilla)|xampp|wamp|apache|php|mysql)/iu,
    0.75,
  ],
  [
    /^\/(?:usr|opt|apache2?|httpd|nginx|mysql|xampp|lampp|private\/etc|library|system|sbin|bin|web|www)\/[\w.@-]/iu,
    0.62,
  ],
  [
    /^\/?(?:[\w.-]{1,40}\/){0,6}(?:logs?\/)?(?:access|error|ssl_request|referer|agent)[._-]log(?:\.\d)?$|^(?:\/|[a-z]:\/)(?:[^/]{1,40}\/){1,8}(?:httpd|apache2?|my|php|nginx|proftpd|vsftpd|pure-ftpd|lighttpd|smb|web|machine)\.(?:conf|ini|cnf|config)$/iu,
    0.62,
  ],
  [
    /(?:^|\/)\.(?:htpasswd|htaccess|bash_history|mysql_history|pgpass|netrc|git-credentials|rhosts|cshrc|profile|bash_profile|login|viminfo|ssh|aws|gnupg|kube|docker)(?:$|\/)/iu,
    0.62,
  ],
  [
    // Places by which Windows names its own disks and devices, and files at their roots.
    /^\/(?:[\w.-]{1,64}|\?|\.)\/(?:[a-z]\$|admin\$|[a-z]:|globalroot)(?:\/|$)|^\/?[a-z]:\/(?:[^/]{1,40}\.(?:ini|sys|bat|log|bin)$|users\/[^/]{1,40}\/(?:ntuser|appdata\/)|documents and settings\/|config\.msi|recycler|\$recycle)|^%(?:systemroot|windir|systemdrive|programfiles|appdata|userprofile)%/iu,
    0.7,
  ],
  [
    // What servers of programs keep beside what they serve.
    /^\/?(?:web-inf|meta-inf)\/|^\/?(?:\.\.\/){1,8}(?:[\w-]{1,40}\/){0,4}(?:web\.config|wp-config\.php|\.env)$|(?:^|\/)\.(?:git\/(?:config|head|index)|svn\/(?:entries|wc\.db))$/iu,
    0.62,
  ],
  [
    /^\/home\/(?:apache|\w{1,32}\/\.|\w{1,32}\/(?:www|public_html)\/?.{0,40}(?:conf|log))|^~\/?\.(?:ssh|aws|config\/gh|kube|netrc|gnupg)|^~root\b/iu,
    0.65,
  ],
]
const wrapper =
  /^\s{0,8}(?:php|expect|zip|phar|glob|ogg|rar|data|input|jar|netdoc|zlib|compress\.\w{2,8}):(?:\/\/|text\/)|convert\.(?:iconv|base64)|php:\/\/(?:filter|input)/iu
const harmless =
  /^\/(?:etc\/(?:os-release|timezone|localtime)|dev\/(?:null|stdin|stdout)|usr\/(?:share|local\/(?:lib|share|bin)|lib|include|src)\/|var\/(?:folders|tmp|task)\/|opt\/(?:homebrew|hostedtoolcache))/u

/** Slashes one way, and the odd spellings of dots and slashes that some readers accept. */
function plain(text: string): string {
  return (
    text
      .replaceAll(/0x2f|0x5c|%(?:c0|c1|bg)%[a-z0-9]{2}/giu, '/')
      .replaceAll(/0x2e/giu, '.')
      .replaceAll(/[\\\u2215\u2216\u2044\uff0f\uff3c]/gu, '/')
      .replaceAll(/\.{2,8}(?:2f|5c)(?=\.\.|\w)/giu, '../')
      // Servlet containers cut parameters off a segment after it was checked.
      .replaceAll(/(?<=^|\/)\.\.;[^/]{0,64}\//gu, '../')
      .replaceAll(/\/{2,64}/gu, '/')
      .replace(/^\s{0,8}file:/iu, '')
  )
}

function climbs(text: string): number {
  return text.match(/(?:^|[^.\w])\.{2,8}(?=\/)/gu)?.length ?? 0
}

const documentation = /^\/usr\/(?:share\/(?:doc|man|info|locale)|lib|include|src)\//u

function placeScore(text: string): number {
  if (documentation.test(text)) return 0
  if ((harmless.test(text) && !/\.(?:ini|conf|cnf|log)$/u.test(text)) || /\w:\//u.test(text.slice(2)))
    return 0
  for (const [place, score] of places) if (place.test(text)) return score
  return 0
}

const oddSpelling = /%(?:2e|2f|5c|c0|c1|u)|0x2[ef]|\.2f|\.{3,8}\/|\.\/{2,8}\./iu

/** A path with the steps of its reading: as given, and as a reader takes it. */
interface Reading {
  readonly raw: string
  readonly text: string
  readonly ups: number
}

/** Steps upwards that were written so that a simple check does not see them. */
function disguiseScore({ raw, text, ups }: Reading): number {
  const isBlob = ups + placeScore(text) > 0 && text.length < raw.length * 0.8 && !raw.includes('%')
  if (isBlob) return 0.85
  if (ups === 0 || (climbs(plain(raw)) >= ups && !oddSpelling.test(raw))) return 0
  return ups < 2 && /%2f/iu.test(raw) && !/%2e/iu.test(raw) ? 0.6 : 0.93
}

function climbScore({ text, ups }: Reading): number {
  if (ups === 0) return 0
  const target = placeScore(`/${text.slice(text.lastIndexOf('../') + 3)}`)
  if (target > 0) return Math.min(0.95, target + 0.18)
  return ups >= 4 ? 0.65 : 0
}

function judge(raw: string, decoded: string): number {
  const [asGiven, asRead] = [plain(raw), plain(decoded)]
  const text = climbs(asGiven) > climbs(asRead) ? asGiven : asRead
  const reading: Reading = { raw, text, ups: climbs(text) }
  // A NUL byte cuts the name for readers written in C.
  const cut = raw.includes('%00') || decoded.includes('\u{0}') ? 0.88 : 0
  const isCoded =
    /^%(?:25)?(?:2e|2f|5c|c0|c1)/iu.test(raw) || /(?:%(?:25)?(?:2e|5c|c0|c1|bg)[^/]{0,8}){3}/iu.test(raw)
  const plainly = reading.ups === 0 ? placeScore(text.trim()) : 0
  const wrapped = wrapper.test(text) ? 0.75 : 0
  return Math.max(disguiseScore(reading), cut, climbScore(reading), isCoded ? 0.85 : 0, plainly, wrapped)
}

const web = /^\s{0,8}https?:\/\/[^/]{0,253}/iu

const nameWord = /(?:^|[_.-])(?:name|id|key|slug|user|lang|locale|theme|page|module|plugin|view)$/iu

/** A step upwards in what is a name and no path. */
function nameScore({ document, role }: Inspection, text: string): number {
  return role === 'value' && nameWord.test(document.name) && climbs(plain(text)) > 0 ? 0.6 : 0
}

/** Path traversal and names of the system's own files, after every decoding that readers of paths are known to do. */
export function detectTraversal(found: Inspection): Span {
  const { text, readings } = found
  const isProse = /\s\S{1,400}\s\S{1,400}\s/u.test(text)
  if (text.length > longest || isProse || !hint.test(text)) return nothing
  if (web.test(text)) {
    const path = decodePercent(text)
      .replace(web, '')
      .replace(/[?#].{0,2048}$/su, '')
    // What is ordinary in the path of a URL is a place on the disk elsewhere.
    return { score: climbs(plain(path)) === 0 ? 0 : judge(path, path), start: 0, end: text.length }
  }
  const read = readings().at(-1) ?? text
  return { score: Math.max(judge(text, read), nameScore(found, read)), start: 0, end: text.length }
}
