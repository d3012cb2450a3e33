import { execFile } from 'node:child_process'
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { topic } from '@muniment/schema'
import { afterAll, beforeAll, expect, test } from 'vitest'
// @boundaries-ignore the lanes of the tests serve every package
import { judgeProgram } from '../../../test/lanes/judges.ts'
// @boundaries-ignore the lanes of the tests serve every package
import { describeLanes } from '../../../test/lanes/lanes.ts'
import { openArchive } from '../src/archive.ts'
import { entryBytes } from '../src/format/entry.ts'
import { formatTlogProof, parseTlogProof } from '../src/format/tlog-proof.ts'
import { openLog } from '../src/log.ts'
import { proveRecord } from '../src/proof/prove.ts'
import { verifyProof } from '../src/proof/verify.ts'
import { createFileStore } from '../src/store/fs.ts'
import { verifyArchive } from '../src/verify.ts'
import { event, eventId } from './events.ts'
import { createMemoryKeys } from './memory-keys.ts'
import { createNoteSigner } from './note-signer.ts'
import { fill, now } from './small-archive.ts'

const run = promisify(execFile)
const signer = createNoteSigner('log.test/judged')

/** What the foreign programs say: their answer, or why they refuse. */
async function judge(...args: readonly string[]): Promise<{ readonly ok: boolean; readonly text: string }> {
  try {
    const { stdout } = await run(judgeProgram('judges'), args)
    return { ok: true, text: stdout }
  } catch (error) {
    const text = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
    return { ok: false, text }
  }
}

describeLanes(['judges'], 'foreign readers of our log and proofs', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muniment-judged-'))
  })
  afterAll(async () => rm(folder, { recursive: true, force: true, maxRetries: 10 }))

  test('torchwood and fsck find nothing in a log that grows over every interesting size', async () => {
    const directory = join(folder, 'grown')
    const store = createFileStore(directory)
    const records = [[event({ seq: 0 }), event({ seq: 1 })]]
    await fill({ store, keys: createMemoryKeys() }, records, { topic: topic.events })
    let nowMs = now()
    const partitions = [{ topic: topic.events, partition: 0 }]
    // All entries but the first are heartbeats.
    const log = openLog({ store, signer, partitions, now: () => nowMs, heartbeatMs: 1 })
    for (const size of [1, 2, 255, 256, 257]) {
      for (let entries = 0; entries < size; nowMs += 1) entries = (await log.integrate()).treeSize
      const { ok, text } = await judge('log', join(directory, 'log'), signer.vkey)
      expect({ size, ok, text }).toEqual({
        size,
        ok: true,
        text: `{"entries":${size},"origin":"log.test/judged","size":${size}}\n`,
      })
    }
  }, 120_000)

  test.each([
    ['a bit in a bundle', 'log/tile/entries/000', 40],
    ['a bit in a full tile', 'log/tile/0/000', 40],
    ['a bit in a tile of level 1', 'log/tile/1/000.p/1', 4],
    ['a missing partial tile', 'log/tile/0/001.p/1', undefined],
    ['a bit in the checkpoint', 'log/checkpoint', 30],
  ])('they and we find %s', async (...[, key, at]) => {
    const directory = join(folder, `altered-${key.replaceAll('/', '-')}`)
    await cp(join(folder, 'grown'), directory, { recursive: true })
    const file = join(directory, key)
    const bytes = await readFile(file)
    await chmod(file, 0o600)
    if (at === undefined) await rm(file)
    else await writeFile(file, bytes.with(at, (bytes[at] ?? 0) ^ 1))
    expect((await judge('log', join(directory, 'log'), signer.vkey)).ok).toBe(false)
    const report = await verifyArchive({ store: createFileStore(directory), verifierKey: signer.vkey })
    expect(report.problems.map(({ object }) => object)).toContain(key)
  })

  test('torchwood and formats accept our proofs, and refuse the forged ones that we refuse', async () => {
    const store = createFileStore(join(folder, 'proven'))
    const keys = createMemoryKeys()
    const cuts = Array.from({ length: 5 }, (_, seq) => [event({ seq })])
    await fill({ store, keys }, cuts, { topic: topic.events })
    await openLog({ store, signer, now, partitions: [{ topic: topic.events, partition: 0 }] }).integrate()
    const found = await openArchive({ store, keys }).find(eventId(2), { topic: topic.events })
    if (found === undefined) throw new Error('not found')
    const { manifest, segment, row, raw } = found
    const object = { key: manifest.manifest.objects[segment.object]?.key ?? '' }
    const place = { manifest, object, start: segment.start, row }
    const file = await proveRecord(store, place, { raw, isDisclosed: true })
    const { topic: name, partition, first_offset: firstOffset } = manifest.manifest
    const [policy, entry] = [join(folder, 'policy'), join(folder, 'entry')]
    await writeFile(policy, `log ${signer.vkey}\nquorum none\n`)
    await writeFile(entry, entryBytes({ topic: name, partition, firstOffset, sha256: manifest.sha256 }))
    const proof = parseTlogProof(file)
    if (proof === undefined) throw new Error('not a proof')
    const { path } = proof
    const cases: readonly (readonly [string, Buffer, boolean])[] = [
      ['the proof', file, true],
      ['swapped siblings', formatTlogProof({ ...proof, path: path.toReversed() }), false],
      ['an extra node', formatTlogProof({ ...proof, path: [...path, ...path.slice(0, 1)] }), false],
      ['a missing node', formatTlogProof({ ...proof, path: path.slice(1) }), false],
      ['another index', formatTlogProof({ ...proof, index: 3 }), false],
      ['Windows line ends', Buffer.from(file.toString().replaceAll('\n', '\r\n')), false],
      ['another size', Buffer.from(file.toString().replace('judged\n5\n', 'judged\n6\n')), false],
    ]
    for (const [what, bytes, ok] of cases) {
      const given = join(folder, 'given.tlog-proof')
      await writeFile(given, bytes)
      const ours = verifyProof(bytes, { verifierKey: signer.vkey }).ok
      const theirs = await judge('proof', policy, given, entry)
      expect({ what, ours, theirs: theirs.ok, text: theirs.ok ? '' : theirs.text }).toMatchObject({
        what,
        ours: ok,
        theirs: ok,
      })
    }
  })
})
