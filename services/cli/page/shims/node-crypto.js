// What the verifier takes of `node:crypto`, for browsers. WebCrypto cannot stand here: it answers later, and the verifier of the command line, which this page
// shares, asks for hashes in the middle of its work.
import { gcm } from '@noble/ciphers/aes.js'
import { ed25519 } from '@noble/curves/ed25519.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'

function bytesOf(value) {
  return typeof value === 'string' ? Buffer.from(value) : value
}

function out(bytes, encoding) {
  const buffer = Buffer.from(bytes)
  return encoding === undefined || encoding === 'buffer' ? buffer : buffer.toString(encoding)
}

function demandSha256(algorithm) {
  if (algorithm !== 'sha256') throw new Error(`${algorithm} is not used in archives`)
}

function running(state) {
  const chain = {
    update(value) {
      state.update(bytesOf(value))
      return chain
    },
    digest: encoding => out(state.digest(), encoding),
  }
  return chain
}

export function hash(algorithm, value, encoding = 'hex') {
  demandSha256(algorithm)
  return out(sha256(bytesOf(value)), encoding)
}

export function createHash(algorithm) {
  demandSha256(algorithm)
  return running(sha256.create())
}

export function createHmac(algorithm, key) {
  demandSha256(algorithm)
  return running(hmac.create(sha256, key.secret ?? bytesOf(key)))
}

export function createSecretKey(secret) {
  const bytes = bytesOf(secret)
  return { secret: bytes, symmetricKeySize: bytes.length }
}

/** AES-GCM of a whole message at once; what does not authenticate is told by `final`, as Node does. */
export function createDecipheriv(...[name, key, nonce, { authTagLength }]) {
  if (!/^aes-(?:128|256)-gcm$/u.test(name)) throw new Error(`${name} is not used in archives`)
  let aad
  let tag
  let failure
  return {
    setAAD: bytes => (aad = bytes),
    setAuthTag: bytes => (tag = bytes),
    update(bytes) {
      if (tag?.length !== authTagLength) throw new Error('a tag is too short')
      try {
        return Buffer.from(gcm(key.secret, nonce, aad).decrypt(Buffer.concat([bytes, tag])))
      } catch (error) {
        failure = error
        return Buffer.alloc(0)
      }
    },
    final() {
      if (failure !== undefined) throw failure
      return Buffer.alloc(0)
    },
  }
}

/** Of a DER SubjectPublicKeyInfo of Ed25519 the last 32 bytes are the key; who calls has put the 12 before them. */
export function createPublicKey({ key }) {
  return { publicKey: key.subarray(-32) }
}

/** Strict as RFC 8032 is, which is at least as strict as OpenSSL. */
export function verify(...[, message, { publicKey }, signature]) {
  return ed25519.verify(signature, message, publicKey, { zip215: false })
}

export function timingSafeEqual(a, b) {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}
