// Disks that are full or cannot be written, as small file systems of their own: only root may mount them.
import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { isMandatory } from '../lanes/environment.ts'
import { serverFolder } from '../lanes/server.ts'
import { expectVerified } from './conservation.ts'
import { openEmbedded } from './embedded.ts'
import { ask, rowsOf } from './installation.ts'
import { startProducer } from './producers.ts'

const mebibyte = 1024 * 1024
const patience = { timeout: 60_000, interval: 500 }

interface Mount extends Disposable {
  readonly folder: string
}

function mount(options: string): Mount {
  const folder = serverFolder('disk')
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'pipe' })
  return {
    folder,
    [Symbol.dispose]: () => {
      execFileSync('umount', ['-l', folder])
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}

/** Why there is nothing to test here. */
function whyNot(): string {
  try {
    mount('size=1m')[Symbol.dispose]()
    return ''
  } catch (error) {
    return `no file system can be mounted here: ${String(error).split('\n')[0]}`
  }
}

/** Writes until nothing more fits; returns the file that takes the room. */
function fill(folder: string): string {
  const file = join(folder, 'ballast')
  const sizes = [mebibyte, 4096, 1]
  for (const size of sizes)
    for (;;)
      try {
        writeFileSync(file, Buffer.alloc(size), { flag: 'a' })
      } catch {
        break
      }
  return file
}

const reason = whyNot()

test.skipIf(reason !== '' && !isMandatory())(
  `a disk that is full under up costs nothing: servers go on, and what waited is archived when there is room (${reason || 'tmpfs'})`,
  async () => {
    using disk = mount('size=48m')
    await using it = await openEmbedded({ under: disk.folder })
    await using producer = await startProducer('crowded', 'v1', it.interceptor)
    const sql = `select id from events where client_name = 'crowded' and method = 'tools/call' and archived`
    producer.burst(100)
    await producer.reached(100)
    await vi.waitFor(
      async () => expect(await rowsOf(it.reader, sql, z.unknown())).toHaveLength(100),
      patience,
    )
    const ballast = fill(disk.folder)
    producer.burst(2000)
    await producer.reached(2100)
    const up = it.workers.get('up')
    await vi.waitFor(() => expect(up?.log()).toMatch(/cannot be written \(.+\).*Free space/u), patience)
    rmSync(ballast)
    producer.burst(10)
    await producer.reached(2110)
    await producer.end()
    await vi.waitFor(
      async () => expect(await rowsOf(it.reader, sql, z.unknown())).toHaveLength(2110),
      patience,
    )
    await expectVerified(it)
  },
  240_000,
)

test.skipIf(reason !== '' && !isMandatory())(
  `on a read-only disk up names the folder and what to do, and observed servers go on (${reason || 'tmpfs'})`,
  async () => {
    using disk = mount('ro,size=1m')
    const env = { MUNIMENT_HOME: join(disk.folder, 'home'), MUNIMENT_INGEST_KEY: '' }
    const answer = await ask(['up'], env)
    expect(answer.code).not.toBe(0)
    expect(answer.stderr).toMatch(new RegExp(`^muniment: .*${disk.folder}.*\\n {2}→ `, 'u'))
    await using producer = await startProducer('homeless', 'wrap', env)
    producer.burst(20)
    await producer.reached(20)
    await producer.end()
  },
  60_000,
)
