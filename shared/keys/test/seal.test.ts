import { createCipheriv, createHash } from 'node:crypto'
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { batchAad, isAppError } from '@muniment/schema'
import { recipientContext, sealOverheadBytes, x25519PrivateKey } from '../src/hpke.ts'
import { parseIngestKey, sealBatch } from '../src/seal.ts'
import { openSealed } from '../src/unseal.ts'
import { pairOf } from './pairs.ts'

const text = new TextEncoder()
const aad = batchAad({
  lane: 'i1/0',
  firstSeq: 0,
  lastSeq: 9,
  kid: 'k1',
  encoding: 'zstd',
  part: 1,
  parts: 1,
})

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
})

function unhex(hex: string): Buffer {
  return Buffer.from(hex, 'hex')
}

function plain(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer
}

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    return isAppError(error) ? error.code : String(error)
  }
  return 'no error'
}

describe('a sealed batch', () => {
  test('opens to the same bytes, whatever they are', () => {
    const { sender, recipient } = pairOf('k1')
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 2000 }),
        fc.uint8Array({ maxLength: 200 }),
        (body, associated) => {
          const sealed = sealBatch(sender, body, associated)
          expect(sealed.length).toBe(body.length + sealOverheadBytes)
          expect(Buffer.compare(openSealed(recipient, sealed, associated), body)).toBe(0)
        },
      ),
      { numRuns: 50 },
    )
  })

  test('of the largest record opens', () => {
    const { sender, recipient } = pairOf('k1')
    const body = new Uint8Array(900_000 - sealOverheadBytes).fill(7)
    expect(Buffer.compare(openSealed(recipient, sealBatch(sender, body, aad), aad), body)).toBe(0)
  })

  test('never repeats a key: the same batch sealed twice differs from its first byte', () => {
    const { sender } = pairOf('k1')
    const [one, two] = [0, 1].map(() => Buffer.from(sealBatch(sender, text.encode('same'), aad)))
    expect(one?.subarray(0, 32)).not.toEqual(two?.subarray(0, 32))
    expect(one?.subarray(32)).not.toEqual(two?.subarray(32))
  })

  test('with any one bit flipped does not open', () => {
    const { sender, recipient } = pairOf('k1')
    const sealed = Buffer.from(sealBatch(sender, text.encode('four calls'), aad))
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const altered = Buffer.from(sealed)
      altered.writeUInt8(altered.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      // RFC 7748 ignores the top bit of a public key, but the key schedule binds `enc` as it was sent.
      expect(codeOf(() => openSealed(recipient, altered, aad))).toBe('BATCH_UNREADABLE')
    }
  })

  test.each([
    ['other headers', (sealed: Uint8Array) => ({ sealed, aad: text.encode('other') })],
    ['no headers', (sealed: Uint8Array) => ({ sealed, aad: new Uint8Array(0) })],
    ['a byte more', (sealed: Uint8Array) => ({ sealed: Buffer.concat([sealed, Buffer.alloc(1)]), aad })],
    ['a byte less', (sealed: Uint8Array) => ({ sealed: sealed.subarray(0, -1), aad })],
    ['no body', (sealed: Uint8Array) => ({ sealed: sealed.subarray(0, sealOverheadBytes), aad })],
    [
      'a public key of low order',
      (sealed: Uint8Array) => ({ sealed: Buffer.concat([Buffer.alloc(32), sealed.subarray(32)]), aad }),
    ],
  ])('with %s is BATCH_UNREADABLE', (_name, alter) => {
    const { sender, recipient } = pairOf('k1')
    const altered = alter(sealBatch(sender, text.encode('four calls'), aad))
    expect(codeOf(() => openSealed(recipient, altered.sealed, altered.aad))).toBe('BATCH_UNREADABLE')
  })

  test('for another key is BATCH_UNREADABLE, and one shorter than its own overhead BATCH_MALFORMED', () => {
    const sealed = sealBatch(pairOf('k1').sender, text.encode('four calls'), aad)
    expect(codeOf(() => openSealed(pairOf('k1').recipient, sealed, aad))).toBe('BATCH_UNREADABLE')
    expect(codeOf(() => openSealed(pairOf('k1').recipient, sealed.subarray(0, 47), aad))).toBe(
      'BATCH_MALFORMED',
    )
  })
})

describe('the ingest key', () => {
  const good = `k1.${Buffer.alloc(32, 9).toString('base64url')}`

  test('is read from one line, white space around it ignored', () => {
    expect(parseIngestKey(` ${good}\n`).kid).toBe('k1')
  })

  test.each([
    ['empty', ''],
    ['no id', good.slice(3)],
    ['an empty id', good.slice(2)],
    ['31 bytes', `k1.${Buffer.alloc(31, 9).toString('base64url')}`],
    ['33 bytes', `k1.${Buffer.alloc(33, 9).toString('base64url')}`],
    ['padded base64', `${good}=`],
    ['standard base64', `k1.${Buffer.alloc(32, 0xfb).toString('base64')}`],
    ['bits after the last byte', `${good.slice(0, -1)}l`],
    ['an id with a space', good.replace('k1', 'k 1')],
    ['an id of 65 characters', good.replace('k1', 'k'.repeat(65))],
    ['two lines', `${good}\n${good}`],
  ])('that is %s is refused', (_name, value) => {
    expect(codeOf(() => parseIngestKey(value))).toBe('CONFIG_INVALID')
  })

  test('of low order seals nothing', () => {
    const weak = parseIngestKey(`k1.${Buffer.alloc(32).toString('base64url')}`)
    expect(codeOf(() => sealBatch(weak, text.encode('x'), aad))).toBe('CONFIG_INVALID')
  })
})

describe('RFC 9180', () => {
  // https://github.com/cfrg/draft-irtf-cfrg-hpke test vectors, mode 0, KEM 0x0020, KDF 0x0001, AEAD 0x0002. The ciphertexts of
  // 1,000 messages drawn from SHAKE128 are compared by their SHAKE128 sum, as https://github.com/golang/go crypto/hpke does.
  const vector = {
    info: '4f6465206f6e2061204772656369616e2055726e',
    skRm: '497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d',
    pkRm: '430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c',
    enc: '6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256',
    sum: '1702e73e1e71705faa8241022af1deea',
  }

  test('the public key follows from the private one', () => {
    expect(Buffer.from(pairOf('k', unhex(vector.skRm)).recipient.raw).toString('hex')).toBe(vector.pkRm)
  })

  test('the key schedule gives the ciphertexts of the published vector', () => {
    const privateKey = x25519PrivateKey(unhex(vector.skRm))
    const recipient = { ...pairOf('k', unhex(vector.skRm)).recipient, privateKey }
    const { key, nonce } = recipientContext(recipient, unhex(vector.enc), unhex(vector.info))
    const drawn = createHash('shake128', { outputLength: 600_000 }).digest()
    const sink = createHash('shake128', { outputLength: 16 })
    let at = 0
    const draw = (): Buffer => {
      const length = drawn.readUInt8(at)
      at += 1 + length
      return drawn.subarray(at - length, at)
    }
    for (let sequence = 0; sequence < 1000; sequence += 1) {
      const iv = Buffer.from(nonce)
      iv.writeUInt32BE((iv.readUInt32BE(8) ^ sequence) >>> 0, 8)
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(draw())
      sink.update(cipher.update(draw())).update(cipher.final()).update(cipher.getAuthTag())
    }
    expect(sink.digest('hex')).toBe(vector.sum)
  })
})

describe('@hpke/core, a foreign implementation,', () => {
  const body = Buffer.alloc(70_000, 'call')

  test('opens what is sealed here', async () => {
    const { sender, recipient } = pairOf('k1')
    const sealed = sealBatch(sender, body, aad)
    const pkcs8 = recipient.privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32)
    const recipientKey = await suite.kem.importKey('raw', plain(pkcs8), false)
    const context = await suite.createRecipientContext({ recipientKey, enc: plain(sealed.subarray(0, 32)) })
    const opened = await context.open(plain(sealed.subarray(32)), plain(aad))
    expect(Buffer.from(opened)).toEqual(body)
  })

  test('seals what opens here', async () => {
    const { sender, recipient } = pairOf('k1')
    const recipientPublicKey = await suite.kem.importKey('raw', plain(sender.publicKey.raw), true)
    const context = await suite.createSenderContext({ recipientPublicKey })
    const sealed = Buffer.concat([
      new Uint8Array(context.enc),
      new Uint8Array(await context.seal(plain(body), plain(aad))),
    ])
    expect(Buffer.from(openSealed(recipient, sealed, aad))).toEqual(body)
  })
})
