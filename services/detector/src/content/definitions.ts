import { createHash } from 'node:crypto'
import { canonical } from './canonical.ts'

const mostTools = 1_000

function toolsOf(body: unknown): readonly unknown[] {
  if (typeof body !== 'object' || body === null || !('result' in body)) return []
  const { result } = body
  if (typeof result !== 'object' || result === null || !('tools' in result)) return []
  return Array.isArray(result.tools) ? result.tools : []
}

/** Hash of what a model and a person see of each tool in a `tools/list` response: name, description, schemas, annotations. */
export function definitionHashes(body: unknown): Readonly<Record<string, string>> | undefined {
  const hashes: Record<string, string> = {}
  let count = 0
  for (const tool of toolsOf(body)) {
    if (typeof tool !== 'object' || tool === null || !('name' in tool) || typeof tool.name !== 'string')
      continue
    const { _meta: _, icons: __, ...visible } = { _meta: undefined, icons: undefined, ...tool }
    hashes[tool.name.slice(0, 256)] = createHash('sha256')
      .update(canonical(visible))
      .digest('hex')
      .slice(0, 32)
    count += 1
    if (count >= mostTools) break
  }
  return count === 0 ? undefined : hashes
}
