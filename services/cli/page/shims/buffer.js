// `Buffer` for browsers, put in wherever the verifier names it.
import { Buffer } from 'buffer/index.js'

const from = Buffer.from.bind(Buffer)
// It reads both alphabets under one name and knows only that.
Buffer.from = (value, encoding, length) => from(value, encoding === 'base64url' ? 'base64' : encoding, length)

export { Buffer }
