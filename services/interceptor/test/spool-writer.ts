// Appends numbered records to a spool until it is killed, and prints each number once it is durable: node spool-writer.ts <dir>
import { openFileSpool } from '../src/spool/files.ts'

const spool = openFileSpool({ dir: process.argv[2] ?? '', lane: 'w/0', maxBytes: 1e9, segmentBytes: 20_000 })
for (let n = 0; ; n++) {
  await spool.append([{ key: 'w/0', headers: { n: String(n) }, value: Buffer.alloc(1000, n) }])
  process.stdout.write(`${n}\n`)
}
