// Control decisions: signed by the detector and the operator, verified by interceptors. No state, no secrets store, Node 20.
import { sign, verify, type KeyObject } from 'node:crypto'
import { AppError, type Decision } from '@muniment/schema'
import { ed25519PrivateKey, ed25519PublicKey, ed25519Raw } from '../ed25519.ts'

/** A decision that nobody has signed yet. */
export type UnsignedDecision = Omit<Decision, 'signature'>

/** Signs control decisions. */
export interface ControlSigner {
  /** `<id>.<base64url>`: what verifiers need. */
  readonly publicKey: string
  readonly sign: (decision: UnsignedDecision) => Decision
  /** Signs any text for another purpose than a decision. */
  readonly signText: (purpose: string, text: string) => string
}

/** Tells whether a decision was signed by a holder of a control key. Expiry and version are the caller's to check. */
export interface ControlVerifier {
  readonly verify: (decision: Decision) => boolean
  /** Whether `signText` made this signature for this purpose. */
  readonly verifyText: (signed: SignedText) => boolean
}

/** A text, what it is for, and its signature. */
interface SignedText {
  readonly purpose: string
  readonly text: string
  readonly signature: string
}

const purpose = 'muniment-decision/v1\n'
const form = /^([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{43})$/u
const signatureBytes = 64

/** Keys in code-unit order and absent ones left out (RFC 8785 for flat objects of strings, lists of them, and whole numbers). */
function signedBytes(decision: UnsignedDecision & { readonly signature?: string }): Uint8Array {
  const { signature: _signature, ...rest } = decision
  const fields = Object.entries(rest).filter(([, value]) => value !== undefined)
  const sorted = Object.fromEntries(fields.toSorted(([a], [b]) => (a < b ? -1 : 1)))
  return Buffer.from(purpose + JSON.stringify(sorted))
}

/** A signer from the seed of one generation of the secret `control`. */
export function createControlSigner(id: string, seed: Uint8Array): ControlSigner {
  const privateKey = ed25519PrivateKey(seed)
  return {
    publicKey: `${id}.${Buffer.from(ed25519Raw(privateKey)).toString('base64url')}`,
    sign: decision => ({
      ...decision,
      signature: sign(null, signedBytes(decision), privateKey).toString('base64url'),
    }),
    signText: (textPurpose, text) =>
      sign(null, Buffer.from(`${textPurpose}\n${text}`), privateKey).toString('base64url'),
  }
}

function parseKey(text: string): KeyObject {
  const encoded = form.exec(text.trim())?.[2]
  if (encoded === undefined)
    throw new AppError('CONFIG_INVALID', 'A control key is not of the form <id>.<base64url of 32 bytes>.')
  return ed25519PublicKey(Buffer.from(encoded, 'base64url'))
}

/** A verifier from public keys `<id>.<base64url>`; a decision need satisfy one of them. Throws `CONFIG_INVALID` where a key is none. */
export function createControlVerifier(publicKeys: readonly string[]): ControlVerifier {
  const keys = publicKeys.map(parseKey)
  const isSigned = (bytes: Uint8Array, encoded: string): boolean => {
    const signature = Buffer.from(encoded, 'base64url')
    return signature.length === signatureBytes && keys.some(key => verify(null, bytes, key, signature))
  }
  return {
    verify: decision => isSigned(signedBytes(decision), decision.signature),
    verifyText: ({ purpose: textPurpose, text, signature }) =>
      isSigned(Buffer.from(`${textPurpose}\n${text}`), signature),
  }
}
