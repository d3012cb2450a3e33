import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import type { NoteSigner } from '../src/format/checkpoint.ts'

const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')

/** A signer of checkpoints whose key follows from `seed`. */
export function createNoteSigner(name: string, seed = 7): NoteSigner {
  const der = Buffer.concat([pkcs8Prefix, Buffer.alloc(32, seed)])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const raw = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32)
  const typed = Buffer.concat([Buffer.from([1]), raw])
  const keyId = createHash('sha256').update(`${name}\n`).update(typed).digest().subarray(0, 4)
  const vkey = `${name}+${keyId.toString('hex')}+${typed.toString('base64')}`
  return { name, keyId, vkey, sign: text => sign(null, text, key) }
}
