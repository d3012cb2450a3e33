export { createArchiver, type ArchiverOptions } from './archiver.ts'
export type { CutLimits } from './buffer.ts'
export { anchorRest, createNotary, type NotaryOptions } from './notary.ts'
