export { wrapStdio, type WrapOptions } from './attach/stdio.ts'
