import { once } from 'node:events'
import { decodeRequests, type Reply } from './sandbox/protocol.ts'
import { openSession } from './sandbox/session.ts'

/**
 * The process that runs one caller's SQL. It holds that caller's rows and nothing else: no environment, no keys,
 * no network client; it ends with its query.
 */
async function send(reply: Reply): Promise<void> {
  if (!process.stdout.write(`${JSON.stringify(reply)}\n`)) await once(process.stdout, 'drain')
}

function failure(error: unknown): Reply {
  const text = error instanceof Error ? error.message : String(error)
  // ENOSPC: the rows of a query lie in /dev/shm, which containers often keep at 64 MB.
  const code = /^Out of Memory Error|^OutOfMemory|^ENOSPC/u.test(text) ? 'QUERY_LIMIT' : 'QUERY_INVALID'
  return { type: 'failed', code, message: text }
}

async function main(): Promise<void> {
  using session = openSession(send)
  try {
    for await (const { request, payload } of decodeRequests(process.stdin))
      await session.handle(request, payload)
  } catch (error) {
    await send(failure(error))
  }
}

void main().finally(() => process.stdin.destroy())
