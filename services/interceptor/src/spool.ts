export { drainSpool, type DrainOptions } from './spool/drain.ts'
