import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto'
import { AppError } from '@muniment/schema'
import { decodeBase64 } from './base64.ts'

/** The head of the log: https://c2sp.org/tlog-checkpoint in a https://c2sp.org/signed-note */
export interface Checkpoint {
  readonly origin: string
  readonly treeSize: number
  readonly root: Buffer
  /** The signed text, its last newline included. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/** One signature line of a note. */
interface NoteSignature {
  readonly name: string
  readonly keyId: Buffer
  readonly signature: Buffer
}

/** Signs notes; `@muniment/keys` provides it. */
export interface NoteSigner {
  readonly name: string
  /** 4 bytes. */
  readonly keyId: Uint8Array
  /** `<name>+<key id, hex>+<base64>` */
  readonly vkey: string
  readonly sign: (text: Uint8Array) => Uint8Array
}

/** Checks the notes of one signer. */
export interface NoteVerifier {
  readonly name: string
  readonly keyId: Buffer
  readonly publicKey: KeyObject
}

const ed25519Type = 1
const ed25519Bytes = 32
const signatureBytes = 64
const maxNoteBytes = 64 * 1024
const maxSignatures = 100
/** DER of an Ed25519 public key up to the key itself (RFC 8410). */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')

/** The signed head of a log with `treeSize` entries. */
export function signCheckpoint(
  head: { readonly treeSize: number; readonly root: Buffer },
  signer: NoteSigner,
): string {
  const text = `${signer.name}\n${head.treeSize}\n${head.root.toString('base64')}\n`
  const line = Buffer.concat([signer.keyId, signer.sign(Buffer.from(text))]).toString('base64')
  return `${text}\n\u2014 ${signer.name} ${line}\n`
}

function parseSignature(line: string): NoteSignature | undefined {
  const match = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)$/u.exec(line)
  const bytes = match?.[2] === undefined ? undefined : decodeBase64(match[2])
  if (match?.[1] === undefined || bytes === undefined || bytes.length < 5) return undefined
  return { name: match[1], keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) }
}

function parseSignatures(block: string): readonly NoteSignature[] | undefined {
  if (!block.endsWith('\n')) return undefined
  const lines = block.slice(0, -1).split('\n')
  if (lines.length > maxSignatures) return undefined
  const signatures = lines.map(parseSignature).filter(signature => signature !== undefined)
  return signatures.length === lines.length ? signatures : undefined
}

function parseHead(text: string): Pick<Checkpoint, 'origin' | 'treeSize' | 'root'> | undefined {
  const [origin = '', size = '', root64 = '', ...extensions] = text.slice(0, -1).split('\n')
  const root = decodeBase64(root64)
  const isSize = /^(?:0|[1-9]\d{0,15})$/u.test(size) && Number.isSafeInteger(Number(size))
  if (origin === '' || !isSize || root?.length !== ed25519Bytes || extensions.includes('')) return undefined
  return { origin, treeSize: Number(size), root }
}

function hasControlCharacters(note: string): boolean {
  // oxlint-disable-next-line no-control-regex -- the format forbids exactly these
  return /[\u0000-\u0009\u000b-\u001f\ufeff]/u.test(note)
}

/** Reads a checkpoint; `undefined` where it is not exactly one, taking the strictest reading of the formats. */
export function parseCheckpoint(bytes: Buffer): Checkpoint | undefined {
  const note = bytes.toString()
  const end = note.lastIndexOf('\n\n')
  if (bytes.length > maxNoteBytes || end < 0 || hasControlCharacters(note)) return undefined
  const text = note.slice(0, end + 1)
  const head = parseHead(text)
  const signatures = parseSignatures(note.slice(end + 2))
  return head === undefined || signatures === undefined ? undefined : { ...head, text, signatures }
}

/** Reads a verifier key of one type of signature; throws `INVALID_INPUT` where it is not `what`. */
export function parseKey(vkey: string, type: number, what: string): NoteVerifier {
  const [name = '', idHex = '', ...rest] = vkey.split('+')
  const key = decodeBase64(rest.join('+'))
  const keyId = createHash('sha256')
    .update(`${name}\n`)
    .update(key ?? '')
    .digest()
    .subarray(0, 4)
  const isOfType = key?.[0] === type && key.length === 1 + ed25519Bytes
  if (key === undefined || !isOfType || !/^\S+$/u.test(name) || keyId.toString('hex') !== idHex) {
    throw new AppError('INVALID_INPUT', `not ${what}`, {
      hint: 'A verifier key looks like `example.com/log+0123abcd+AQ…`; `muniment keys log` prints that of the log.',
    })
  }
  const der = Buffer.concat([spkiPrefix, key.subarray(1)])
  return { name, keyId, publicKey: createPublicKey({ key: der, format: 'der', type: 'spki' }) }
}

/** Reads a verifier key of a log; throws `INVALID_INPUT` where it is not one. */
export function parseVerifierKey(vkey: string): NoteVerifier {
  return parseKey(vkey, ed25519Type, 'a verifier key of a log')
}

/** Whether one of the signers signed the checkpoint of its own log; a second line of the same key is not accepted. */
export function isSignedBy(checkpoint: Checkpoint, verifiers: readonly NoteVerifier[]): boolean {
  return verifiers.some(verifier => isSignedByOne(checkpoint, verifier))
}

/** What stands in the one line of a key; `undefined` where it has none, or more than one. */
export function ownLine({ signatures }: Checkpoint, { name, keyId }: NoteVerifier): Buffer | undefined {
  const own = signatures.filter(line => line.name === name && line.keyId.equals(keyId))
  return own.length === 1 ? own[0]?.signature : undefined
}

function isSignedByOne(checkpoint: Checkpoint, verifier: NoteVerifier): boolean {
  if (checkpoint.origin !== verifier.name) return false
  const signature = ownLine(checkpoint, verifier)
  if (signature?.length !== signatureBytes) return false
  return verify(null, Buffer.from(checkpoint.text), verifier.publicKey, signature)
}
