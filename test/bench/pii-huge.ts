import { monitorEventLoopDelay } from 'node:perf_hooks'
import {
  createRig,
  createTestKeys,
  frameOf,
  observationAt,
  sealFrames,
} from '../../services/masker/test/fixture.ts'

const tries = 5
const nanosecondsPerMs = 1e6

/** Longest time for which a masker lets nobody else run while it works on one message of 10 MB; the least of a few tries. */
export async function longestBlockMs(text: string): Promise<number> {
  const { keys, publicText } = await createTestKeys()
  const message = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text }] } })
  let least = Infinity
  for (let turn = 0; turn < tries; turn++) {
    const rig = await createRig(keys)
    const frame = frameOf(observationAt(0), '{}', message)
    await rig.publish(sealFrames([frame], { publicText, firstSeq: 0, lastSeq: 0, parts: 20 }))
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    await rig.work()
    delay.disable()
    least = Math.min(least, delay.max / nanosecondsPerMs)
  }
  return least
}
