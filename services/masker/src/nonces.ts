const nonceBytes = 16
const poolNonces = 512

/** Nonces of 128 random bits as hex, drawn from the random source many at a time: one at a time costs more than masking a short message. */
export function createNonces(randomBytes: (size: number) => Uint8Array): () => string {
  let pool = ''
  let at = 0
  return () => {
    if (at === pool.length) {
      pool = Buffer.from(randomBytes(nonceBytes * poolNonces)).toString('hex')
      at = 0
    }
    at += nonceBytes * 2
    return pool.slice(at - nonceBytes * 2, at)
  }
}
