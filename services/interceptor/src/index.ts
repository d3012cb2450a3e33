export { attach, tap } from './attach/sdk.ts'
export type { AttachOptions } from './options.ts'
export type { Problem } from './problem.ts'
