export { authInfoOf } from './edge/auth-info.ts'
export { observeFetch, observeHono } from './edge/fetch.ts'
export { observeExpress, observeFastify, observeListener } from './edge/node.ts'
export type { EdgeOptions } from './edge/options.ts'
