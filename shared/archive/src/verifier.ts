// The door for those who only verify: it holds no store, no key and no writer, and runs in browsers.
export { verifyProof } from './proof/verify.ts'
export { verifyArchive } from './verify.ts'
