import { createMemoryBroker, openMemoryBus } from '../src/memory.ts'
import { describeBus } from './contract.ts'

describeBus('memory', async () => {
  const broker = createMemoryBroker()
  return {
    open: async ({ topicPrefix, deps }) => openMemoryBus({ kind: 'memory', topicPrefix }, deps, broker),
    [Symbol.asyncDispose]: async () => {},
  }
})
