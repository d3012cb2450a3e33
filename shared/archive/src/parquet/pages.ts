import { damaged } from './damaged.ts'
import type { Chunk } from './layout.ts'
import { assertPageKind, fields } from './metadata.ts'
import { moduleBytes, moduleOverheadBytes, openModule, pagePlaces, type ModuleContext } from './modules.ts'
import { int, parseThrift, type ThriftStruct } from './thrift.ts'

/** One decrypted page. */
export interface Page {
  readonly header: ThriftStruct
  readonly body: Buffer
  readonly isDictionary: boolean
}

/** Where a chunk stands in its file, and its encrypted bytes. */
export interface ChunkBytes {
  readonly chunk: Chunk
  readonly rowGroup: number
  readonly column: number
  readonly bytes: Buffer
}

interface Opened {
  readonly page: Page
  readonly end: number
}

/** Opens the page at `at`; without `ordinal` it is the dictionary page. */
function openPage(
  context: ModuleContext,
  source: ChunkBytes,
  where: { at: number; ordinal?: number },
): Opened {
  const { bytes } = source
  const places = pagePlaces(source, where.ordinal)
  const bodyAt = where.at + moduleBytes(bytes, where.at)
  const header = parseThrift(openModule(context, places.header, bytes.subarray(where.at, bodyAt))).value
  const isDictionary = where.ordinal === undefined
  assertPageKind(header, isDictionary)
  const end = bodyAt + moduleBytes(bytes, bodyAt)
  const body = openModule(context, places.body, bytes.subarray(bodyAt, end))
  if (int(header, fields.page.compressedBytes) !== body.length + moduleOverheadBytes) {
    throw damaged('PARQUET_MALFORMED', 'a page is not as long as its header says')
  }
  return { page: { header, body, isDictionary }, end }
}

/** Opens the pages of one column chunk. */
export function openPages(context: ModuleContext, source: ChunkBytes): readonly Page[] {
  const pages: Page[] = []
  let at = 0
  const next = (ordinal?: number): void => {
    const { page, end } = openPage(context, source, ordinal === undefined ? { at } : { at, ordinal })
    pages.push(page)
    at = end
  }
  if (source.chunk.hasDictionary) next()
  for (let ordinal = 0; at < source.bytes.length; ordinal++) next(ordinal)
  return pages
}
