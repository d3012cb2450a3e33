// One of each kind on a real archive, through the command; that every single byte counts is tried where the format is.
import {
  copyFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { untilArchived } from './conservation.ts'
import { openEmbedded } from './embedded.ts'
import { ask, linesOf, type Installation } from './installation.ts'
import { startProducer } from './producers.ts'

const report = z.object({
  ok: z.boolean(),
  problems: z.array(
    z.object({
      code: z.string(),
      object: z.string(),
      reason: z.string(),
      range: z.object({ topic: z.string() }).optional(),
    }),
  ),
})

/** A kind of object, by its name. */
const kinds = {
  segment: /\/(?:seg|bundle)\/|^(?:seg|bundle)\//u,
  tree: /\.tree$/u,
  manifest: /manifest\/v1\/mcp\.events\//u,
  checkpoint: /log\/checkpoint$/u,
} as const

function flip(file: string): void {
  const bytes = readFileSync(file)
  const at = Math.floor(bytes.length / 2)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  rmSync(file)
  writeFileSync(file, bytes)
}

function truncate(file: string): void {
  const bytes = readFileSync(file)
  rmSync(file)
  writeFileSync(file, bytes)
  truncateSync(file, Math.floor(bytes.length / 2))
}

function swap(file: string, other: string): void {
  renameSync(file, `${file}.tmp`)
  renameSync(other, file)
  renameSync(`${file}.tmp`, other)
}

function duplicate(file: string, other: string): void {
  rmSync(other)
  copyFileSync(file, other)
}

const acts = { flip, truncate, remove: (file: string) => rmSync(file), swap, duplicate } as const

const cases: readonly (readonly [keyof typeof acts, keyof typeof kinds])[] = [
  ['flip', 'segment'],
  ['flip', 'tree'],
  ['flip', 'manifest'],
  ['flip', 'checkpoint'],
  ['truncate', 'segment'],
  ['truncate', 'manifest'],
  ['remove', 'segment'],
  ['remove', 'tree'],
  ['remove', 'manifest'],
  ['swap', 'segment'],
  ['swap', 'manifest'],
  ['duplicate', 'segment'],
  ['duplicate', 'manifest'],
]

describe('an archive that somebody laid hands on', () => {
  let it: Installation
  let archive = ''

  beforeAll(async () => {
    it = await openEmbedded()
    for (const name of ['emil', 'fritz']) {
      await using producer = await startProducer(name, 'v1', it.interceptor)
      producer.burst(60)
      await producer.reached(60)
      await producer.end()
      await untilArchived(it, name === 'emil' ? 60 : 120)
    }
    // Stopped, so that nothing but the hands changes it; its last acts archive and sign what is left.
    for (const up of it.workers.values()) await up.stop()
    archive = join(it.home, 'archive')
  }, 120_000)

  afterAll(async () => {
    rmSync(it.folder, { recursive: true, force: true, maxRetries: 10 })
  })

  async function verify(
    folder: string,
  ): Promise<{ readonly code: number; readonly report: z.infer<typeof report> }> {
    const answer = await ask(['verify', '--json'], { ...it.reader, MUNIMENT_STORE: `file:${folder}` })
    const [found] = linesOf(answer, report)
    if (found === undefined) throw new Error(answer.stderr)
    return { code: answer.code, report: found }
  }

  test('is fine before', async () => {
    expect(await verify(archive)).toMatchObject({ code: 0, report: { ok: true, problems: [] } })
  })

  test.each(cases)('%s of a %s: verify ends with 1 and names the object', async (act, kind) => {
    const copy = join(it.folder, `${act}-${kind}`)
    cpSync(archive, copy, { recursive: true })
    const names = readdirSync(copy, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => relative(copy, join(entry.parentPath, entry.name)))
      .filter(name => kinds[kind].test(name) && (kind === 'tree' || !name.endsWith('.tree')))
      .toSorted()
    const [first = '', second = first] = names
    acts[act](join(copy, first), join(copy, second))
    const { code, report: found } = await verify(copy)
    expect({ code, ok: found.ok }).toEqual({ code: 1, ok: false })
    const named = found.problems.map(({ object }) => object)
    expect(
      named.some(object => [first, second].some(name => name.endsWith(object) || object.endsWith(name))),
    ).toBe(true)
    rmSync(copy, { recursive: true, force: true, maxRetries: 10 })
  })
})
