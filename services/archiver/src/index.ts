export { createArchiver, type ArchiverOptions } from './archiver.ts'
