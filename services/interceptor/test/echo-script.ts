// A server over stdio that says what it is told to: the lines in `say` of every message it gets, in order; `exit` ends it with that code.
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'

for await (const line of createInterface({ input: process.stdin })) {
  const { say, exit }: { readonly say?: string; readonly exit?: number } = JSON.parse(line).script ?? {}
  if (say !== undefined) writeSync(1, say)
  if (exit !== undefined) process.exit(exit)
}
