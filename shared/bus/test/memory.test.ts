import { openMemoryBus } from '../src/memory.ts'
import { describeBus } from './contract.ts'

describeBus('memory', async () => {
  const first = openMemoryBus({ kind: 'memory' })
  return {
    open: async ({ topicPrefix, deps }) => first.connect({ kind: 'memory', topicPrefix }, deps),
    [Symbol.asyncDispose]: () => first[Symbol.asyncDispose](),
  }
})
