import { execFile } from 'node:child_process'
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { topic } from '@muniment/schema'
import { afterAll, beforeAll, expect, test } from 'vitest'
// @boundaries-ignore the lanes of the tests serve every package
import { aicsTlogJudge } from '../../../test/lanes/aics-tlog.ts'
// @boundaries-ignore the lanes of the tests serve every package
import { describeLanes } from '../../../test/lanes/lanes.ts'
import { openLog } from '../src/log.ts'
import { createFileStore } from '../src/store/fs.ts'
import { event } from './events.ts'
import { createMemoryKeys } from './memory-keys.ts'
import { createNoteSigner } from './note-signer.ts'
import { fill, now } from './small-archive.ts'

const run = promisify(execFile)
const signer = createNoteSigner('log.test/audited')

async function judge(folder: string): Promise<string> {
  const [program, args] = aicsTlogJudge(join(folder, 'log'), signer.vkey)
  return (await run(program, args)).stdout
}

describeLanes(['aics-tlog'], 'a third code base that reads our log', () => {
  let folder = ''
  let grown = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muniment-audited-'))
    grown = join(folder, 'grown')
    const store = createFileStore(grown)
    await fill({ store, keys: createMemoryKeys() }, [[event({ seq: 0 })]], { topic: topic.events })
    let nowMs = now()
    const partitions = [{ topic: topic.events, partition: 0 }]
    // All entries but the first are heartbeats.
    const log = openLog({ store, signer, partitions, now: () => nowMs, heartbeatMs: 1 })
    for (let size = 0; size < 258; nowMs += 1) size = (await log.integrate()).treeSize
  }, 120_000)
  afterAll(async () => rm(folder, { recursive: true, force: true, maxRetries: 10 }))

  test('finds every tile and entry right', async () => {
    expect(await judge(grown)).toBe('log.test/audited 258\n')
  })

  test.each([
    ['a bit in a bundle', 'log/tile/entries/000', 40],
    ['a bit in a full tile', 'log/tile/0/000', 40],
    ['a bit in a tile of level 1', 'log/tile/1/000.p/1', 4],
    ['a missing partial tile', 'log/tile/0/001.p/2', undefined],
    ['a bit in the checkpoint', 'log/checkpoint', 30],
  ])('finds %s', async (...[what, key, at]) => {
    const directory = join(folder, what.replaceAll(' ', '-'))
    await cp(grown, directory, { recursive: true })
    const file = join(directory, key)
    const bytes = await readFile(file)
    await chmod(file, 0o600)
    if (at === undefined) await rm(file)
    else await writeFile(file, bytes.with(at, (bytes[at] ?? 0) ^ 1))
    await expect(judge(directory)).rejects.toThrow(/checkpoint|Tile|Error/u)
  })
})
