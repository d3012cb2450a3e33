// `Buffer` for browsers, put in wherever the verifier names it.
export { Buffer } from 'buffer/index.js'
