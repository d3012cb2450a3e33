export { openStore, type StoreConfig } from './store/open.ts'
export type { ArchiveStore, Store } from './store/store.ts'
