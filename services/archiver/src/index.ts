export { createArchiver, type ArchiverOptions } from './archiver.ts'
export type { CutLimits } from './buffer.ts'
export { createNotary, type NotaryOptions } from './notary.ts'
