// A process that observes a call and then ends in the way it is told: node program.ts <home> <how> [listen]
import { attach } from '../src/index.ts'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { newClientV1, talkV1 } from './conversation.ts'
import { serverV1 } from './servers.ts'

const [home = '', how = '', listen = ''] = process.argv.slice(2)
const [near, far] = InMemoryTransport.createLinkedPair()
await attach(serverV1(), { home }).connect(far)
const talk = await talkV1(newClientV1(), near)
await talk.call('echo', { text: 'hello' })
if (listen === 'alone') {
  // What signal-exit does: it ends the process only if nobody else listens.
  process.on('SIGTERM', function mine() {
    if (process.listenerCount('SIGTERM') > 1) return
    process.removeListener('SIGTERM', mine)
    process.kill(process.pid, 'SIGTERM')
  })
}
if (listen === 'own')
  process.on('SIGTERM', () => {
    process.exitCode = 5
    void talk.close()
    clearInterval(alive)
  })
const alive = setInterval(() => undefined, 1000)
if (how === 'signal') process.kill(process.pid, 'SIGTERM')
else clearInterval(alive)
if (how === 'exit') process.exit(3)
if (how === 'throw') throw new Error('on purpose')
