import { createHash, sign } from 'node:crypto'
import { AppError } from '@muniment/schema'
import { ed25519PrivateKey, ed25519Raw } from './ed25519.ts'

/** Signs checkpoints of the archive's log (C2SP signed-note, Ed25519). */
export interface LogSigner {
  /** Name of the log: the first line of its checkpoints. */
  readonly name: string
  /** The first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key). */
  readonly keyId: Uint8Array
  /** The verifier key `<name>+<key id, hex>+<base64>`, which may be given to anybody. */
  readonly vkey: string
  /** 64 bytes over the text of a note, its last newline included. */
  readonly sign: (text: Uint8Array) => Uint8Array
}

const ed25519Type = 0x01
// C2SP signed-note: a key name has no spaces and no plus; it is also the origin line.
const nameForm = /^[^\s+]{1,200}$/u

/** A signer from the seed of one generation of the secret `log`. */
export function createLogSigner(name: string, seed: Uint8Array): LogSigner {
  if (!nameForm.test(name))
    throw new AppError(
      'CONFIG_INVALID',
      `${JSON.stringify(name.slice(0, 80))} cannot be the name of a log.`,
      {
        hint: 'Choose a name without spaces and plus signs, such as `example.com/audit`.',
      },
    )
  const privateKey = ed25519PrivateKey(seed)
  const typed = Buffer.concat([Uint8Array.of(ed25519Type), ed25519Raw(privateKey)])
  const keyId = createHash('sha256').update(name).update('\n').update(typed).digest().subarray(0, 4)
  return {
    name,
    keyId,
    vkey: `${name}+${keyId.toString('hex')}+${typed.toString('base64')}`,
    sign: text => sign(null, text, privateKey),
  }
}
