import { createHash, X509Certificate } from 'node:crypto'
import { AppError } from '@muniment/schema'
import { createBoundedMap, type BoundedMap } from '../bounded-map.ts'
import { outdated, rejected, type Accepted, type AuthRequest, type Finding, type Method } from '../method.ts'
import {
  chainOf,
  isForClients,
  isValidAt,
  nameOf,
  readAuthorities,
  type Link,
  type NameKind,
} from './chain.ts'
import { readRevocationLists, type RevocationList } from './crl.ts'

/** How client certificates are taken. */
export interface MutualTlsOptions {
  /** Roots, and whatever stands between them and the clients, in PEM form. */
  readonly authorities: string
  /** Which name is the principal's id, first kind first; default URI (SPIFFE), e-mail, DNS. */
  readonly names?: readonly NameKind[] | undefined
  /** Reads every list of revoked certificates, PEM or DER. */
  readonly readLists?: (() => Promise<readonly Uint8Array[]>) | undefined
  /**
   * `require`: a certificate is refused where no current list of its issuer is there. `known`: it is refused where a list names it. Default `require` where there are
   * lists.
   */
  readonly revocation?: 'require' | 'known' | undefined
  /** When lists are read again (default 5 min); until they can be, old ones hold as long as they say. */
  readonly refreshMs?: number | undefined
  readonly now?: (() => number) | undefined
}

interface State {
  readonly authorities: readonly X509Certificate[]
  readonly options: MutualTlsOptions
  readonly names: readonly NameKind[]
  readonly now: () => number
  readonly known: BoundedMap<{ readonly found: Accepted; readonly untilMs: number }>
  lists: readonly RevocationList[]
  readMs: number
  reading: Promise<void> | undefined
}

const mostCertificates = 10_000
/** How long a certificate that was verified is known, at most. */
const knownMs = 60_000

async function readLists(state: State, read: () => Promise<readonly Uint8Array[]>): Promise<void> {
  try {
    const files = await read()
    state.lists = (await Promise.all(files.map(readRevocationLists))).flat()
  } catch {
    // Those from before hold as long as they say; where none does, `require` refuses.
  }
  state.readMs = state.now()
}

async function refresh(state: State): Promise<void> {
  const { readLists: read, refreshMs = 300_000 } = state.options
  if (read === undefined || state.now() - state.readMs < refreshMs) return
  state.reading ??= readLists(state, read).finally(() => {
    state.reading = undefined
  })
  await state.reading
}

type Standing = 'good' | 'revoked' | 'unknown'

async function standingOf({ lists, now }: State, { certificate, issuer }: Link): Promise<Standing> {
  let standing: Standing = 'unknown'
  for (const list of lists) {
    if (!(await list.isSignedBy(issuer))) continue
    if (list.has(certificate.serialNumber)) return 'revoked'
    if (list.isCurrentAt(now())) standing = 'good'
  }
  return standing
}

/** Every certificate of the chain may have been revoked, but for the root, which nobody can revoke. */
async function revocationFault(state: State, links: readonly Link[]): Promise<Finding> {
  const { readLists: hasLists, revocation } = state.options
  if (hasLists === undefined) return undefined
  const standings = await Promise.all(links.map(async link => await standingOf(state, link)))
  if (standings.includes('revoked')) return outdated('certificate_revoked')
  if (revocation === 'known' || !standings.includes('unknown')) return undefined
  return { kind: 'unavailable', reason: 'certificate_revocation_unknown' }
}

function parse(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der)
  } catch {
    return undefined
  }
}

/** What can be told from the certificate and the authorities alone. */
function judge(state: State, certificate: X509Certificate): readonly Link[] | Finding {
  const { authorities, now } = state
  const links = chainOf(certificate, authorities, now())
  if (links === undefined) return rejected('certificate_untrusted')
  if (!isValidAt(certificate, now())) return outdated('certificate_out_of_time')
  return isForClients(certificate) ? links : rejected('certificate_not_for_clients')
}

function isLinks(value: readonly Link[] | Finding): value is readonly Link[] {
  return Array.isArray(value)
}

async function verify(state: State, der: Uint8Array, key: string): Promise<Finding> {
  const certificate = parse(der)
  if (certificate === undefined) return rejected('certificate_malformed')
  const links = judge(state, certificate)
  if (!isLinks(links)) return links
  const id = nameOf(certificate, state.names)
  if (id === undefined) return rejected('certificate_without_name')
  await refresh(state)
  const fault = await revocationFault(state, links)
  if (fault !== undefined) return fault
  const issuer = links[0]?.issuer.subject.replaceAll('\n', ', ').slice(0, 1024) ?? ''
  const expiresAtMs = Date.parse(certificate.validTo)
  const found: Accepted = { kind: 'accepted', principal: { id, issuer, method: 'mtls' }, expiresAtMs }
  state.known.set(key, { found, untilMs: Math.min(expiresAtMs, state.now() + knownMs) })
  return found
}

function recall({ known, now }: State, key: string): Accepted | undefined {
  const entry = known.get(key)
  return entry !== undefined && now() < entry.untilMs ? entry.found : undefined
}

function keyOf(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('base64url')
}

function check(state: State, { certificate: der }: AuthRequest): Finding | Promise<Finding> {
  if (der === undefined) return undefined
  const key = keyOf(der)
  return recall(state, key) ?? verify(state, der, key)
}

/**
 * Takes client certificates: a chain to an authority, made for clients (extended key usage), a name, in time, and not revoked. Beside what TLS itself checks, of which
 * nothing is assumed but that the client has the key. Throws `CONFIG_INVALID` for options that cannot be meant.
 */
export function mutualTls(options: MutualTlsOptions): Method {
  const { names = ['uri', 'email', 'dns'], now = Date.now } = options
  if (options.revocation !== undefined && options.readLists === undefined)
    throw new AppError(
      'CONFIG_INVALID',
      'Revocation is to be checked, but no list of revoked certificates is given.',
      {
        hint: 'Give the CRL of every authority.',
      },
    )
  const state: State = {
    options,
    names,
    now,
    authorities: readAuthorities(options.authorities),
    known: createBoundedMap(mostCertificates),
    lists: [],
    readMs: Number.NEGATIVE_INFINITY,
    reading: undefined,
  }
  return {
    name: 'mtls',
    check: request => check(state, request),
    recall: ({ certificate: der }) => (der === undefined ? undefined : recall(state, keyOf(der))),
  }
}
