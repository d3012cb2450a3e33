// Contents are encrypted, and this page has no keys: nothing is ever unpacked here.
export function zstdDecompressSync() {
  throw new Error('This page opens no contents.')
}
