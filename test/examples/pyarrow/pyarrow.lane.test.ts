import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createCutWriter, openStore } from '@muniment/archive'
import { openKeys, openSecrets } from '@muniment/keys'
import { topic } from '@muniment/schema'
import { openState } from '@muniment/state'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { benchEvent } from '../../bench/archive-rig.ts'
import { ask, muniment } from '../../e2e/installation.ts'
import { inherited } from '../../lanes/environment.ts'
import { describeLanes } from '../../lanes/lanes.ts'
import { pythonWithPyArrow } from '../../lanes/pyarrow.ts'
import { serverFolder } from '../../lanes/server.ts'

const run = promisify(execFile)
const script = fileURLToPath(new URL('read.py', import.meta.url))

/** An archive of three tenants: one with an object of its own, two in a bundle. */
async function fill(home: string): Promise<void> {
  const secrets = await openSecrets({ kind: 'file', dir: join(home, 'secrets') })
  const state = await openState({ kind: 'file', dir: join(home, 'state') })
  const { segmentKeys: keys } = openKeys({ secrets, state, now: Date.now, randomBytes, cacheTtlMs: 60_000 })
  await using store = await openStore({ kind: 'file', directory: join(home, 'archive') })
  const tenants = Array.from(
    { length: 1500 },
    (_, seq) => ['acme', 'beta', 'gamma'][seq < 1200 ? 0 : (seq % 2) + 1],
  )
  const records = tenants.map((tenant = 'acme', seq) => ({
    offset: seq,
    appendedMs: Date.now(),
    value: benchEvent({ seq, tenant }),
  }))
  const cuts = createCutWriter({ store, keys, now: Date.now, randomBytes })
  const nextOffset = records.length
  await cuts.write({ topic: topic.events, partition: 0, records, nextOffset, previous: undefined })
}

describeLanes(['pyarrow'], 'an archive read by PyArrow', () => {
  let folder = ''
  beforeAll(async () => {
    folder = serverFolder('pyarrow')
    await ask(['keys', 'init'], { MUNIMENT_HOME: folder })
    await fill(folder)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }))

  test('gives the same calls per tool as muniment query, from segments and bundles', async () => {
    const env = { MUNIMENT_HOME: folder }
    const { stdout } = await run(
      pythonWithPyArrow(),
      [script, join(folder, 'archive'), process.execPath, muniment],
      { env: inherited(env) },
    )
    const sql = "select target, count(*) as n from events where kind = 'call' group by 1"
    const rows: { target: string; n: number }[] = (
      await ask(['query', sql, '--json', '--no-tail'], env)
    ).stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(rows.length).toBeGreaterThan(3)
    expect(JSON.parse(stdout)).toEqual(Object.fromEntries(rows.map(({ target, n }) => [target, n])))
  }, 120_000)
})
