// A process that adds one to a shared number as often as it is told, by compare-and-swap; prints how often it did.
import { openState } from '../src/index.ts'

const [dir = '', times = '0'] = process.argv.slice(2)
await using state = await openState({ kind: 'file', dir })
for (let done = 0; done < Number(times);) {
  const entry = await state.get('counter')
  const next = Number(Buffer.from(entry?.value ?? []).toString() || '0') + 1
  if ((await state.put('counter', Buffer.from(String(next)), entry?.version)) === undefined) continue
  done += 1
  process.stdout.write(`${next}\n`)
}
