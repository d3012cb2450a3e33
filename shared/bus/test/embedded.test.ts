import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedBus } from '../src/embedded.ts'
import { describeBus } from './contract.ts'

describeBus('embedded', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'muniment-bus-'))
  return {
    open: ({ topicPrefix, deps }) => openEmbeddedBus({ kind: 'embedded', dir, topicPrefix }, deps),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  }
})
