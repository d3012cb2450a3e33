import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { lstatSync, readFileSync, statSync, type Stats } from 'node:fs'
import { dirname, isAbsolute } from 'node:path'
import { verdicts, type Check, type Facts, type Finding, type Verdicts } from './finding.ts'

const dayMs = 86_400_000
const soonMs = 30 * dayMs
const dueMs = 7 * dayMs
const leastRsaBits = 2048
const othersMask = 0o077
const othersWriteMask = 0o022
const stickyBit = 0o1000

function statOf(path: string, read: (path: string) => Stats): Stats | undefined {
  try {
    return read(path)
  } catch {
    return undefined
  }
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(3, '0')
}

/** Why a file of ours could be read or replaced by others; nothing on platforms without modes. */
function whyOpen(path: string, facts: Facts): { readonly why: string; readonly hint: string } | undefined {
  if (facts.uid === undefined) return undefined
  const file = statOf(path, statSync)
  if (file !== undefined && file.uid !== facts.uid)
    return {
      why: `belongs to user ${file.uid}, not to ${facts.uid}, who runs this.`,
      hint: `chown it to the user of the service.`,
    }
  if (file !== undefined && (file.mode & othersMask) !== 0)
    return { why: `has mode ${octal(file.mode)}: others can read it.`, hint: 'chmod 600 it.' }
  const folder = statOf(dirname(path), statSync)
  if (folder !== undefined && (folder.mode & othersWriteMask) !== 0 && (folder.mode & stickyBit) === 0)
    return {
      why: `lies in a folder of mode ${octal(folder.mode)}: others can replace it.`,
      hint: 'chmod 700 the folder.',
    }
  return undefined
}

function logFile(facts: Facts): readonly Finding[] {
  const { fine, must } = verdicts('MCP_LOG_FILE')
  const path = facts.env['MCP_LOG_FILE'] ?? ''
  if (path === '') return [fine('is not set: logs go where standard error goes')]
  if (!isAbsolute(path))
    return [
      must('is no absolute path: where it lies depends on who starts the server.', 'Write the whole path.'),
    ]
  if (statOf(dirname(path), statSync)?.isDirectory() !== true)
    return [
      must(
        'lies in a folder that is not there.',
        'Create the folder with mode 700, for the user of the service.',
      ),
    ]
  const file = statOf(path, lstatSync)
  if (file !== undefined && !file.isFile())
    return [must('is no plain file: a link leads the log elsewhere.', 'Name the file itself.')]
  const open = whyOpen(path, facts)
  return [open === undefined ? fine('can be read by its owner only') : must(open.why, open.hint)]
}

interface Pair {
  readonly certFile: string
  readonly keyFile: string
}

function pairOf({ env, config }: Facts): Partial<Pair> {
  const { certFile, keyFile } = config?.proxy.tls ?? {}
  const [cert, key] = [env['MCP_TLS_CERT'] || certFile, env['MCP_TLS_KEY'] || keyFile]
  return { ...(cert !== undefined && { certFile: cert }), ...(key !== undefined && { keyFile: key }) }
}

function readIf<T>(path: string, parse: (text: string) => T): T | undefined {
  try {
    return parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

const oneCertificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/gu

function chainOf(text: string): readonly X509Certificate[] {
  return Array.from(text.matchAll(oneCertificate), ([pem]) => new X509Certificate(pem))
}

function lifeFinding(
  certificate: X509Certificate,
  nowMs: number,
  { should, must }: Verdicts,
): Finding | undefined {
  const [fromMs, toMs] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]
  const hint = 'Renew it, and replace the file.'
  if (nowMs < fromMs)
    return must(`is not valid before ${new Date(fromMs).toISOString()}.`, 'Check the clock, or wait.')
  const until = new Date(toMs).toISOString()
  if (nowMs >= toMs) return must(`expired at ${until}.`, hint)
  if (toMs - nowMs < dueMs) return must(`expires at ${until}, in less than a week.`, hint)
  return toMs - nowMs < soonMs ? should(`expires at ${until}, in less than 30 days.`, hint) : undefined
}

function certificateFindings(path: string, facts: Facts): readonly Finding[] {
  const all = verdicts('MCP_TLS_CERT')
  const chain = readIf(path, chainOf)
  if (chain?.[0] === undefined)
    return [
      all.must(
        'names a file that cannot be read, or holds no certificate.',
        'Name a PEM file with the chain, the server’s own certificate first.',
      ),
    ]
  const life = chain.flatMap(each => lifeFinding(each, facts.nowMs, all) ?? [])
  if (life.length > 0) return life.slice(0, 1)
  const { modulusLength = leastRsaBits } = chain[0].publicKey.asymmetricKeyDetails ?? {}
  if (modulusLength < leastRsaBits)
    return [
      all.must(
        `holds an RSA key of ${modulusLength} bits.`,
        'Use one of 2048 bits or more, or an elliptic curve.',
      ),
    ]
  return [all.fine(`is valid until ${new Date(Date.parse(chain[0].validTo)).toISOString()}`)]
}

function keyFindings({ certFile, keyFile }: Pair, facts: Facts): readonly Finding[] {
  const { fine, must } = verdicts('MCP_TLS_KEY')
  const key: KeyObject | undefined = readIf(keyFile, createPrivateKey)
  if (key === undefined)
    return [
      must(
        'names a file that cannot be read, or holds no private key without a passphrase.',
        'Name a PEM file that the user of the service can read.',
      ),
    ]
  const [certificate] = readIf(certFile, chainOf) ?? []
  if (certificate !== undefined && !certificate.checkPrivateKey(key))
    return [
      must(
        'does not belong to the first certificate of MCP_TLS_CERT.',
        'Put the server’s own certificate first, and name its key.',
      ),
    ]
  const open = whyOpen(keyFile, facts)
  return [open === undefined ? fine('belongs to the certificate') : must(open.why, open.hint)]
}

function tls(facts: Facts): readonly Finding[] {
  const { certFile, keyFile } = pairOf(facts)
  const { should, must } = verdicts('MCP_TLS_CERT')
  if (certFile === undefined && keyFile === undefined)
    return [
      should(
        'is not set: clients are served without TLS.',
        'Set MCP_TLS_CERT and MCP_TLS_KEY, unless something in front of this machine does it.',
      ),
    ]
  if (certFile === undefined || keyFile === undefined)
    return [must('and MCP_TLS_KEY belong together, and one is missing.', 'Set both, or neither.')]
  return [...certificateFindings(certFile, facts), ...keyFindings({ certFile, keyFile }, facts)]
}

function homeFolder(facts: Facts): readonly Finding[] {
  if (facts.config === undefined || facts.uid === undefined) return []
  const { fine, must } = verdicts('MUNIMENT_HOME')
  const folder = statOf(facts.config.home, statSync)
  if (folder === undefined) return [fine('is not there yet; it is made for its owner only')]
  if (folder.uid !== facts.uid)
    return [
      must(
        `belongs to user ${folder.uid}, not to ${facts.uid}, who runs this.`,
        'chown it to the user of the service.',
      ),
    ]
  if ((folder.mode & othersMask) === 0) return [fine('is open to its owner only')]
  return [must(`has mode ${octal(folder.mode)}: keys and spools lie in it.`, 'chmod 700 it.')]
}

/** Files that clients' trust and people's data hang on. */
export const fileChecks: readonly Check[] = [logFile, tls]
/** What lies on this machine for every process. */
export const folderChecks: readonly Check[] = [homeFolder]
