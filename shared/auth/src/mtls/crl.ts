import type { X509Certificate } from 'node:crypto'
import { AppError } from '@muniment/schema'

/** A list of revoked certificates, as far as it can be used. */
export interface RevocationList {
  /** Whether `issuer` signed it. */
  readonly isSignedBy: (issuer: X509Certificate) => Promise<boolean>
  /** Whether it covers this moment: a list that is too old says nothing of what was revoked since. */
  readonly isCurrentAt: (nowMs: number) => boolean
  readonly has: (serialNumber: string) => boolean
}

const pem = /-----BEGIN X509 CRL-----([^-]+)-----END X509 CRL-----/gu
/** Critical extensions that are understood: the number alone. Delta lists and lists of a part of the certificates say so critically. */
const crlNumber = '2.5.29.20'

function invalid(cause?: unknown): AppError {
  return new AppError('CONFIG_INVALID', 'A list of revoked certificates cannot be used.', {
    hint: 'Give whole CRLs, in PEM or DER form; delta and partial ones are not taken.',
    cause,
  })
}

function ders(bytes: Uint8Array): readonly Uint8Array[] {
  const text = Buffer.from(bytes).toString('latin1')
  const found = [...text.matchAll(pem)].map(([, base64 = '']) => Buffer.from(base64, 'base64'))
  return found.length > 0 ? found : [bytes]
}

function serial(hex: string): string {
  return hex.toUpperCase().replace(/^0+(?=.)/u, '')
}

async function readOne(der: Uint8Array): Promise<RevocationList> {
  // Only who has lists pays for reading them.
  const { Certificate, CertificateRevocationList } = await import('pkijs')
  const list = CertificateRevocationList.fromBER(new Uint8Array(der))
  const { thisUpdate, nextUpdate, revokedCertificates = [], crlExtensions } = list
  if (crlExtensions?.extensions.some(({ critical, extnID }) => critical && extnID !== crlNumber) === true)
    throw invalid()
  if (nextUpdate === undefined) throw invalid()
  const serials = new Set(
    revokedCertificates.map(({ userCertificate }) =>
      serial(Buffer.from(userCertificate.valueBlock.valueHexView).toString('hex')),
    ),
  )
  const [fromMs, toMs] = [thisUpdate.value.getTime(), nextUpdate.value.getTime()]
  return {
    isSignedBy: async issuer => {
      try {
        return await list.verify({ issuerCertificate: Certificate.fromBER(new Uint8Array(issuer.raw)) })
      } catch {
        return false
      }
    },
    isCurrentAt: nowMs => fromMs <= nowMs && nowMs < toMs,
    has: serialNumber => serials.has(serial(serialNumber)),
  }
}

/** The lists in a file, PEM or DER. Throws `CONFIG_INVALID` where one cannot be read or does not cover all that its issuer signed. */
export async function readRevocationLists(bytes: Uint8Array): Promise<readonly RevocationList[]> {
  try {
    return await Promise.all(ders(bytes).map(readOne))
  } catch (cause) {
    throw cause instanceof AppError ? cause : invalid(cause)
  }
}
