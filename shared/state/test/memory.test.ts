import { openState } from '../src/index.ts'
import { stateContract } from './contract.ts'

stateContract('memory', async () => {
  const state = await openState({ kind: 'memory' })
  return {
    open: async () => await Promise.resolve(state),
    [Symbol.asyncDispose]: async () => await Promise.resolve(),
  }
})
