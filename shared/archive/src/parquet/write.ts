import { selectFor } from './columns.ts'
import { encryptParquet, type EncryptedFile, type EncryptOptions } from './encrypt.ts'
import { engine, type Row } from './engine.ts'

/** Rows of one tenant and topic, in the order of their offsets, as an encrypted Parquet file. */
export async function writeParquet(
  topic: string,
  rows: readonly Row[],
  options: EncryptOptions,
): Promise<EncryptedFile> {
  const { toParquet } = await engine()
  const plain = await toParquet(rows, selectFor(topic))
  return encryptParquet(plain, options)
}
