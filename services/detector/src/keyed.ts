import { hash, type KeyObject } from 'node:crypto'

const secrets = new WeakMap<KeyObject, string>()

/** A hash of the text under the key, in hex, cut to so many digits: a secret before the text is enough where only a part is shown. */
export function keyedHash(key: KeyObject, text: string, digits: number): string {
  let secret = secrets.get(key)
  if (secret === undefined) {
    secret = key.export().toString('hex')
    secrets.set(key, secret)
  }
  return hash('sha256', `${secret}${text}`).slice(0, digits)
}
