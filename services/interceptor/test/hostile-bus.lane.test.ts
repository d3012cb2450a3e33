// A bus that is down, hangs, is slow, refuses or lies, beside a disk that is sound, full or not to be written: what becomes of calls.
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { CallToolRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server as HttpsServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { SealedRecord } from '../src/batch.ts'
import { readBody } from '../src/collector/wire.ts'
import { hostOf } from '../src/host.ts'
import { attach, type AttachOptions } from '../src/index.ts'
import { readSettings } from '../src/main-env.ts'
import { makeCertificate, type Certificate } from './certificate.ts'
import { newClientV1, talkToProgram, talkV1, type Talk } from './conversation.ts'
import { lyingIn, openLab, programEnv, story, watermarked, type Lab, type Seen } from './support.ts'

type BusMode =
  | 'sound'
  | 'down'
  | 'hangs'
  | 'slow'
  | 'refuses'
  | 'says no but keeps'
  | 'says yes but keeps nothing'
type DiskMode = 'sound' | 'full' | 'not to be written'

interface HostileBus extends AsyncDisposable {
  mode: BusMode
  readonly url: string
  readonly kept: SealedRecord[]
  /** How many requests it has answered. */
  answers: number
  /** Lets what is slow go on, and cuts what hangs. */
  readonly release: () => void
}

let certificate: Certificate
let folder = ''
let lab: Lab
let bus: HostileBus
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'muniment-hostile-'))
  certificate = await makeCertificate(folder, 'bus')
})
afterAll(() => rmSync(folder, { recursive: true, maxRetries: 10 }))

async function bodyOf(request: IncomingMessage): Promise<readonly SealedRecord[]> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return readBody(Buffer.concat(parts)) ?? []
}

async function listenWith(server: HttpsServer): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  return `https://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

async function openBus(): Promise<HostileBus> {
  const kept: SealedRecord[] = []
  let waiting: (() => void)[] = []
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (state.mode === 'down') return void request.socket.destroy()
    const records = await bodyOf(request)
    const { mode } = state
    if (mode === 'hangs') return void waiting.push(() => void request.socket.destroy())
    if (mode === 'slow') await new Promise<void>(resolve => waiting.push(resolve))
    const isYes = mode !== 'refuses' && mode !== 'says no but keeps'
    if (mode !== 'refuses' && mode !== 'says yes but keeps nothing') kept.push(...records)
    state.answers += 1
    response.writeHead(isYes ? 204 : 503).end()
  }
  const server = createServer({ ...certificate }, (request, response) => void answer(request, response))
  const state: HostileBus = {
    mode: 'sound',
    url: await listenWith(server),
    kept,
    answers: 0,
    release: () => {
      for (const go of waiting) go()
      waiting = []
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
  return state
}

beforeEach(async () => {
  mend = () => undefined
  unmount = () => undefined
  lab = await openLab()
  bus = await openBus()
})
afterEach(async () => {
  bus.release()
  await hostOf(readSettings(options(), {})).close(100)
  unmount()
  await bus[Symbol.asyncDispose]()
  await lab[Symbol.asyncDispose]()
})

function options(more: AttachOptions = {}): AttachOptions {
  const device = { name: 'laptop', key: 'k', ca: certificate.cert }
  return { home: lab.home, bus: bus.url, device, onProblem: () => undefined, ...more }
}

/** Makes the disk sound again. */
let mend: () => unknown
let unmount: () => unknown

/** Needs root for the full one: a file system of its own, so small that nothing fits. */
function breakDisk(mode: DiskMode): void {
  const spool = join(lab.home, 'spool')
  if (mode === 'not to be written') {
    rmSync(spool, { force: true, recursive: true, maxRetries: 10 })
    writeFileSync(spool, 'in the way')
    mend = () => rmSync(spool, { force: true, recursive: true, maxRetries: 10 })
  }
  if (mode === 'full') {
    mkdirSync(spool, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', spool], { stdio: 'pipe' })
    try {
      for (;;) writeFileSync(join(spool, 'ballast'), Buffer.alloc(4096), { flag: 'a' })
    } catch {
      // Nothing fits any more.
    }
    mend = () => rmSync(join(spool, 'ballast'), { force: true })
    unmount = () => execFileSync('umount', ['-l', spool])
  }
}

function whyNoMount(): string {
  const probe = mkdtempSync(join(tmpdir(), 'muniment-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', probe], { stdio: 'pipe' })
    execFileSync('umount', ['-l', probe])
    return ''
  } catch (error) {
    return String(error).split('\n')[0] ?? 'no mount'
  } finally {
    rmSync(probe, { recursive: true, force: true, maxRetries: 10 })
  }
}

async function recordedNow(): Promise<Seen[]> {
  return [...(await lyingIn(lab)), ...(await lab.open(bus.kept))]
}

interface Asked {
  readonly name: string
  readonly isRecorded: boolean
}

/** A server that looks, at the moment at which it is called, whether the call is recorded anywhere. */
async function talk(asked: Asked[], more: AttachOptions = {}): Promise<Talk> {
  const server = new Server({ name: 'sample', version: '1' }, { capabilities: { tools: {} } })
  server.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
    const begun = (await recordedNow()).some(
      ({ observation }) => observation.kind === 'begun' && observation.target === params.name,
    )
    asked.push({ name: params.name, isRecorded: begun })
    return { content: [] }
  })
  const [near, far] = InMemoryTransport.createLinkedPair()
  await attach(server, options(more)).connect(far)
  return await talkV1(newClientV1(), near)
}

async function told(work: Promise<unknown>): Promise<'ok' | 'refused'> {
  return await work.then(
    () => 'ok',
    (error: unknown) => {
      expect(error).toMatchObject({ message: expect.stringContaining('SERVICE_ERROR') })
      return 'refused'
    },
  )
}

const noMount = whyNoMount()
const buses: readonly BusMode[] = ['down', 'hangs', 'slow', 'refuses', 'says no but keeps']
const disks: readonly DiskMode[] =
  noMount === '' ? ['sound', 'not to be written', 'full'] : ['sound', 'not to be written']
const each = buses.flatMap(one => disks.map((disk): [BusMode, DiskMode] => [one, disk]))

describe(`beside a hostile bus${noMount === '' ? '' : `, no full disk (${noMount})`}`, () => {
  test.each(each)(
    'that %s and a disk that is %s, calls that fail open wait for neither',
    async (mode, disk) => {
      breakDisk(disk)
      bus.mode = mode
      const asked: Asked[] = []
      const client = await talk(asked)
      const before = bus.answers
      for (let n = 0; n < 100; n++) expect(await told(client.call(`t${n}`))).toBe('ok')
      expect(asked).toHaveLength(100)
      // Every call was answered though the bus had answered to none of what was sent meanwhile.
      if (mode === 'slow' || mode === 'hangs' || mode === 'down') expect(bus.answers).toBe(before)
      await client.close()
    },
  )

  test.each(each)(
    'that %s and a disk that is %s, no call that fails closed reaches the server unrecorded, and none hangs',
    async (mode, disk) => {
      const asked: Asked[] = []
      // Both record in one lane; what is to pass has all the time there is, what is to be refused need not take long.
      const client = await talk(asked, { delivery: { failClosed: ['*_pay'], deadlineMs: 9000 } })
      const hasty = await talk(asked, { delivery: { failClosed: ['*_pay'], deadlineMs: 300 } })
      const tried = disk === 'sound' ? client : hasty
      await client.call('a_pay')
      bus.mode = mode
      breakDisk(disk)
      const outcomes = await Promise.all(Array.from({ length: 6 }, (_, n) => told(tried.call(`${n}_pay`))))
      expect(new Set(outcomes)).toEqual(new Set([disk === 'sound' ? 'ok' : 'refused']))
      expect(asked.filter(({ isRecorded }) => !isRecorded)).toEqual([])
      expect(asked).toHaveLength(disk === 'sound' ? 7 : 1)

      bus.mode = 'sound'
      bus.release()
      mend()
      await expect.poll(() => told(client.call('z_pay')), { timeout: 60_000, interval: 300 }).toBe('ok')
      await client.close()
      await hasty.close()
      await hostOf(readSettings(options(), {})).close(10_000)
      const stories = watermarked(await lab.open(bus.kept)).map(story)
      const ended = stories.filter(line => /^call tools\/call \d+_pay /u.test(line))
      expect(ended).toHaveLength(6)
      expect(new Set(ended.map(line => line.split(' ').slice(3).join(' ')))).toEqual(
        new Set([disk === 'sound' ? 'ok' : 'denied SERVICE_ERROR']),
      )
    },
    90_000,
  )

  test('that says yes but keeps nothing, the lane shows that something is missing', async () => {
    const asked: Asked[] = []
    const client = await talk(asked, { delivery: { failClosed: ['*'], deadlineMs: 9000 } })
    await client.call('first')
    bus.mode = 'says yes but keeps nothing'
    await client.call('lost')
    bus.mode = 'sound'
    await client.call('last')
    await client.close()
    await hostOf(readSettings(options(), {})).close(5000)
    const seen = await lab.open(bus.kept)
    expect(seen.map(story).join()).not.toContain('begun tools/call lost')
    expect(() => watermarked(seen)).toThrow(/^Lane laptop\.\w+\/0 has \d+ where \d+ is due/u)
  })
})

test('under wrap what fails closed does not reach the command where nothing can be recorded, and all else does', async () => {
  breakDisk('not to be written')
  const wrap = { home: lab.home, delivery: { failClosed: ['echo'], deadlineMs: 2000 } }
  const server = join(import.meta.dirname, 'servers.ts')
  const runner = join(import.meta.dirname, 'wrap-runner.ts')
  const client = await talkToProgram(
    'v1',
    [runner, JSON.stringify(wrap), process.execPath, server, 'v1'],
    programEnv,
  )
  const calls = Array.from({ length: 5 }, () => told(client.call('echo', { text: 'x' })))
  expect(await Promise.all(calls)).toEqual(Array.from({ length: 5 }, () => 'refused'))
  expect(JSON.stringify(await client.call('fail'))).toContain('out of paper')
  rmSync(join(lab.home, 'spool'))
  await expect
    .poll(() => told(client.call('echo', { text: 'x' })), { timeout: 60_000, interval: 300 })
    .toBe('ok')
  await client.close()
  await expect
    .poll(async () => (await lyingIn(lab)).map(story).at(-1), { timeout: 20_000 })
    .toBe('heartbeat end')
  const stories = (await lab.collect()).map(story)
  expect(stories).toContain('call tools/call echo denied SERVICE_ERROR')
  expect(stories).toContain('begun tools/call echo')
  expect(stories.filter(line => line === 'call tools/call echo ok')).toHaveLength(1)
}, 90_000)
