import { createPublicKey, hash, sign, verify, type KeyObject } from 'node:crypto'
import { ownLine, parseKey, type Checkpoint, type NoteVerifier } from './checkpoint.ts'

/** A witness's statement that it saw a log grow up to a checkpoint: https://c2sp.org/tlog-cosignature */
export interface Cosignature {
  readonly name: string
  /** Seconds since the epoch, by the witness's clock. */
  readonly time: number
}

const cosignerType = 4
const timeBytes = 8
const cosignatureBytes = timeBytes + 64

/** Reads the verifier key of a witness; throws `INVALID_INPUT` where it is not one. */
export function parseCosignerKey(vkey: string): NoteVerifier {
  return parseKey(vkey, cosignerType, 'a verifier key of a witness')
}

/** What a witness signs: the time, and the text of the checkpoint. */
function cosignatureMessage(time: number, text: string): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${time}\n${text}`)
}

/** Cosigns checkpoints in the name of one witness. */
export interface Cosigner {
  readonly name: string
  /** What those who trust the witness put into their policies. */
  readonly vkey: string
  /** The line that adds the cosignature of that second to a checkpoint's text. */
  readonly cosign: (text: string, time: number) => string
}

/** A cosigner with this name and Ed25519 key; throws `INVALID_INPUT` where the name cannot be one. */
export function createCosigner(name: string, privateKey: KeyObject): Cosigner {
  const raw = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32)
  const typed = Buffer.concat([Uint8Array.of(cosignerType), raw])
  const keyId = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), typed]), 'buffer').subarray(0, 4)
  const vkey = `${name}+${keyId.toString('hex')}+${typed.toString('base64')}`
  parseCosignerKey(vkey)
  return {
    name,
    vkey,
    cosign(text, time) {
      const timeField = Buffer.alloc(timeBytes)
      timeField.writeBigUInt64BE(BigInt(time))
      const signature = sign(null, cosignatureMessage(time, text), privateKey)
      return `\u2014 ${name} ${Buffer.concat([keyId, timeField, signature]).toString('base64')}\n`
    },
  }
}

/** The witness's cosignature on a checkpoint, if it is there exactly once and right. */
export function cosignatureOf(checkpoint: Checkpoint, witness: NoteVerifier): Cosignature | undefined {
  const bytes = ownLine(checkpoint, witness)
  if (bytes?.length !== cosignatureBytes) return undefined
  const time = Number(bytes.readBigUInt64BE(0))
  const message = cosignatureMessage(time, checkpoint.text)
  const isRight = verify(null, message, witness.publicKey, bytes.subarray(timeBytes))
  return isRight && Number.isSafeInteger(time) ? { name: witness.name, time } : undefined
}
