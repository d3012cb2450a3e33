import { X509Certificate } from 'node:crypto'
import { AppError } from '@muniment/schema'

const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/gu
const clientAuth = '1.3.6.1.5.5.7.3.2'
const maxDepth = 5

/** A certificate and whoever signed it. */
export interface Link {
  readonly certificate: X509Certificate
  readonly issuer: X509Certificate
}

/** The certificates of a PEM text, all of which must be authorities. Throws `CONFIG_INVALID`. */
export function readAuthorities(text: string): readonly X509Certificate[] {
  try {
    const read = (text.match(pem) ?? []).map(each => new X509Certificate(each))
    if (read.length > 0 && read.every(each => each.ca)) return read
  } catch {
    // Told below.
  }
  throw new AppError('CONFIG_INVALID', 'The authorities of client certificates cannot be used.', {
    hint: 'Give CA certificates in PEM form, the roots and whatever stands between them and the clients.',
  })
}

export function isValidAt({ validFrom, validTo }: X509Certificate, nowMs: number): boolean {
  return Date.parse(validFrom) <= nowMs && nowMs < Date.parse(validTo)
}

function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
  } catch {
    return false
  }
}

function isRoot(certificate: X509Certificate): boolean {
  return isSignedBy(certificate, certificate)
}

/** From the client's certificate up to a root, all valid now; `undefined` where no authority vouches for it. */
export function chainOf(
  leaf: X509Certificate,
  authorities: readonly X509Certificate[],
  nowMs: number,
): readonly Link[] | undefined {
  const links: Link[] = []
  let certificate = leaf
  while (links.length < maxDepth) {
    const below = certificate
    const issuer = authorities.find(each => isValidAt(each, nowMs) && isSignedBy(below, each))
    if (issuer === undefined) return undefined
    links.push({ certificate, issuer })
    if (isRoot(issuer)) return links
    certificate = issuer
  }
  return undefined
}

/** Whether it was made for clients: what a certificate does not say it may be used for, it may not. */
export function isForClients({ ca, keyUsage }: X509Certificate): boolean {
  // Node's types say that it is always there; where a certificate has none, it is not.
  return !ca && Array.isArray(keyUsage) && keyUsage.includes(clientAuth)
}

/** Kinds of names in a certificate. */
export type NameKind = 'uri' | 'email' | 'dns'

const prefixes = { uri: 'URI:', email: 'email:', dns: 'DNS:' } as const satisfies Record<NameKind, string>

/**
 * The first name of the first kind that the certificate has (subject alternative names; the common name is not one). Node quotes names that could be taken for
 * several; those are not taken at all.
 */
export function nameOf({ subjectAltName }: X509Certificate, kinds: readonly NameKind[]): string | undefined {
  if (subjectAltName === undefined || subjectAltName.includes('"')) return undefined
  const names = subjectAltName.split(', ')
  for (const kind of kinds) {
    const prefix = prefixes[kind]
    const name = names.find(each => each.startsWith(prefix))?.slice(prefix.length)
    if (name !== undefined && /^[\x21-\x7e]{1,1024}$/u.test(name)) return name
  }
  return undefined
}
