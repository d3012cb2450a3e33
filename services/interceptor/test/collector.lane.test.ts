import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { SealedRecord } from '../src/batch.ts'
import { startCollector, type Collector, type CollectorOptions } from '../src/collector.ts'
import type { DeviceSettings } from '../src/collector/way.ts'
import { batchesPath, contentType, maxRequestBytes } from '../src/collector/wire.ts'
import { openHost, type Host } from '../src/host.ts'
import { readSettings } from '../src/main-env.ts'
import type { Problem } from '../src/problem.ts'
import { makeCertificate, type Certificate } from './certificate.ts'
import { encodeRecords } from '../src/spool/segment.ts'
import { filesIn, openLab, programEnv, story, watermarked, type Lab, type Seen } from './support.ts'

let folder = ''

let server: Certificate
let lab: Lab
let topic: SealedRecord[] = []
let publishAs: CollectorOptions['publish'] | undefined
let enrolled = new Map<string, string>()
let open: AsyncDisposableStack
let problems: Problem[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muniment-collector-'))
  server = await makeCertificate(folder, 'collector')
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))
beforeEach(async () => {
  open = new AsyncDisposableStack()
  lab = open.use(await openLab())
  topic = []
  problems = []
  publishAs = undefined
  enrolled = new Map([
    ['Bearer key-of-laptop', 'laptop'],
    ['Bearer key-of-other', 'other'],
  ])
})
afterEach(() => open.disposeAsync())

interface Way extends Partial<CollectorOptions> {
  readonly isPlain?: boolean
}

async function startAt(port: number, { isPlain = false, ...more }: Way = {}): Promise<Collector> {
  const collector = await startCollector({
    host: '127.0.0.1',
    port,
    ...(!isPlain && { tls: server }),
    bytesPerSecond: 64 * 1024 * 1024,
    authenticate: async ({ authorization, certificate: name }) => enrolled.get(authorization ?? '') ?? name,
    publish: records => publishAs?.(records) ?? Promise.resolve(void topic.push(...records)),
    ...more,
  })
  open.defer(() => collector.close(0))
  return collector
}

const laptop = { name: 'laptop', key: 'key-of-laptop' } as const

function start({ url }: Pick<Collector, 'url'>, device: Omit<DeviceSettings, 'ca'> = laptop): Host {
  const settings = { bus: url, home: lab.home, device: { ...device, ca: server.cert } }
  const host = openHost(readSettings({ ...settings, onProblem: one => problems.push(one) }, {}))
  open.defer(() => host.close(0))
  return host
}

/** A device that shows a certificate. */
function desk({ cert, key }: Certificate): Omit<DeviceSettings, 'ca'> {
  return { name: 'desk', cert, certKey: key }
}

function act(host: Host, method: string): void {
  host.core.act({ method, outcome: 'ok', principal: { id: 'root', method: 'os' }, details: {} })
}

async function seen(): Promise<Seen[]> {
  return watermarked(await lab.open(topic))
}

async function methods(): Promise<(string | undefined)[]> {
  return (await seen()).flatMap(({ observation }) => observation.method ?? [])
}

describe('a device behind a collector', () => {
  test('reaches the bus with sealed batches of its own lanes, and nobody on the way can read them', async () => {
    const host = start(await startAt(0))
    act(host, 'find-me-if-you-can')
    await host.close(5000)
    expect((await seen()).map(story)).toEqual([
      'heartbeat start',
      'admin find-me-if-you-can ok',
      'heartbeat end',
    ])
    for (const { key, value } of topic) {
      expect(key).toMatch(/^laptop\.[0-9a-f]{16}\/0$/u)
      expect(Buffer.from(value).includes('find-me-if-you-can')).toBe(false)
    }
  })

  test('keeps what it sees while the collector is down, and brings it in order when that is back, without doubles', async () => {
    const first = await startAt(0)
    const port = Number(new URL(first.url).port)
    const host = start(first)
    act(host, 'one')
    await host.core.flush()
    await first.close(0)
    act(host, 'two')
    await host.core.flush()
    expect(await methods()).toEqual(['one'])
    await startAt(port)
    act(host, 'three')
    await host.close(10_000)
    expect(await methods()).toEqual(['one', 'two', 'three'])
    expect(problems.map(({ code }) => code)).toContain('DEPENDENCY_UNREACHABLE')
  })

  test('that dies has what it left brought by the next process', async () => {
    const home = lab.home
    const program = join(import.meta.dirname, 'collector-device.ts')
    const args = [program, home, 'https://127.0.0.1:9', server.file]
    const dying = spawn(process.execPath, args, { env: programEnv, stdio: ['ignore', 'pipe', 'ignore'] })
    await once(dying.stdout, 'data')
    dying.kill('SIGKILL')
    await once(dying, 'exit')
    const host = start(await startAt(0))
    act(host, 'after')
    await host.core.flush()
    await expect.poll(methods, { timeout: 10_000 }).toEqual(['after', 'before'])
  })

  test('ends when its own work is done, whatever the collector does', async () => {
    const { url } = await startAt(0)
    const args = [join(import.meta.dirname, 'collector-device.ts'), lab.home, url, server.file, 'end']
    const ending = spawn(process.execPath, args, { env: programEnv, stdio: 'ignore' })
    expect(await once(ending, 'exit')).toEqual([0, null])
    expect(await methods()).toEqual(['before'])
  })

  test('is acknowledged only what the bus has: what it refuses, or does not take in time, is sent again', async () => {
    const host = start(await startAt(0, { publishTimeoutMs: 50 }))
    const ways = [() => Promise.reject(new Error('down')), () => new Promise<void>(() => undefined)]
    publishAs = records => ways.shift()?.() ?? Promise.resolve(void topic.push(...records))
    act(host, 'one')
    await host.core.flush()
    expect(topic).toEqual([])
    await expect.poll(methods, { timeout: 15_000 }).toEqual(['one'])
    await expect
      .poll(async () => (await filesIn(join(lab.home, 'spool'))).filter(name => name.endsWith('.seg')))
      .toEqual([])
  }, 20_000)

  test('sends what is larger than one request in several, in order', async () => {
    const host = start(await startAt(0))
    const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536))).toString('base64')
    for (let n = 0; n < 100; n++)
      host.core.act({
        method: `m${n}`,
        outcome: 'ok',
        principal: { id: 'root', method: 'os' },
        details: { noise, n },
      })
    await host.close(10_000)
    expect(await methods()).toEqual(Array.from({ length: 100 }, (_, n) => `m${n}`))
  })

  test('is known by its certificate, but only by one that an accepted authority signed', async () => {
    const [good, forged] = [await makeCertificate(folder, 'desk'), await makeCertificate(folder, 'desk')]
    enrolled = new Map()
    const collector = await startAt(0, { tls: { ...server, clientCa: good.cert } })
    const wrong = start(collector, desk(forged))
    act(wrong, 'forged')
    await wrong.core.flush()
    await expect.poll(() => problems.map(({ code }) => code)).toContain('AUTH_FAILED')
    const host = start(collector, desk(good))
    act(host, 'good')
    await host.close(5000)
    expect(await methods()).toEqual(['good'])
  })
})

interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

const ours = { Authorization: 'Bearer key-of-laptop', 'Content-Type': contentType }

function withHeaders(headers: Record<string, string>): RequestOptions {
  return { headers: { ...ours, ...headers } }
}

async function post(url: string, body: Uint8Array, more: RequestOptions = {}): Promise<Reply> {
  const options = { method: 'POST', ca: server.cert, path: batchesPath, headers: ours, ...more }
  const request = httpsRequest(url, options)
  request.on('error', () => undefined)
  request.end(body)
  const [response] = await once(request, 'response')
  response.resume()
  return { status: response.statusCode, headers: response.headers }
}

/** Sealed batches as a device would send them. */
async function sealedBy(device: string): Promise<SealedRecord[]> {
  const home = join(lab.home, 'elsewhere')
  const made = await startAt(0, { authenticate: async () => device })
  const host = openHost(
    readSettings(
      { bus: made.url, home, device: { name: device, key: 'x', ca: server.cert }, ingestKey: lab.ingestKey },
      {},
    ),
  )
  act(host, 'sent')
  await host.close(5000)
  return topic.splice(0)
}

describe('a collector', () => {
  let url = ''
  let mine: SealedRecord[] = []
  let body: Buffer
  beforeEach(async () => {
    mine = await sealedBy('laptop')
    body = encodeRecords(mine)
    url = (await startAt(0)).url
  })

  const changed = (change: (record: SealedRecord) => SealedRecord): Buffer => encodeRecords(mine.map(change))

  test.each<[string, number, () => Promise<Reply>]>([
    ['nobody', 401, () => post(url, body, { headers: { 'Content-Type': contentType } })],
    [
      'somebody with a key that it does not know',
      401,
      () => post(url, body, withHeaders({ Authorization: 'Bearer x' })),
    ],
    [
      'a device whose key was revoked',
      401,
      () => {
        enrolled.delete(ours.Authorization)
        return post(url, body)
      },
    ],
    [
      'another device, into a lane that is not its own',
      403,
      () => post(url, body, withHeaders({ Authorization: 'Bearer key-of-other' })),
    ],
    [
      'a device, into a lane that begins like its own',
      403,
      () =>
        post(
          url,
          changed(one => ({ ...one, key: 'laptop-2.00/0' })),
        ),
    ],
    [
      'a device, into a lane without a device',
      403,
      () =>
        post(
          url,
          changed(one => ({ ...one, key: '0011223344556677/0' })),
        ),
    ],
    [
      'one good batch and one of a foreign lane',
      403,
      () => post(url, Buffer.concat([body, changed(one => ({ ...one, key: 'other.00/0' }))])),
    ],
    [
      'a batch that was changed on the way',
      400,
      () => post(url, Buffer.from(body.map((byte, at) => (at === body.length - 1 ? byte ^ 1 : byte)))),
    ],
    ['a batch that was cut', 400, () => post(url, body.subarray(0, -1))],
    ['a batch with something behind it', 400, () => post(url, Buffer.concat([body, Buffer.from([0])]))],
    [
      'nothing that is a batch',
      400,
      () =>
        post(
          url,
          changed(one => ({ ...one, headers: { mun_v: '1' } })),
        ),
    ],
    [
      'a batch without content',
      400,
      () =>
        post(
          url,
          changed(one => ({ ...one, value: new Uint8Array() })),
        ),
    ],
    ['more than it takes at once', 413, () => post(url, Buffer.alloc(maxRequestBytes + 1))],
    [
      'more than it takes at once, without saying so',
      413,
      () => post(url, Buffer.alloc(maxRequestBytes + 1), withHeaders({ 'Transfer-Encoding': 'chunked' })),
    ],
    [
      'something else than batches',
      415,
      () => post(url, body, withHeaders({ 'Content-Type': 'application/json' })),
    ],
    ['who wants to read', 405, () => post(url, body, { method: 'PUT' })],
    ['who looks for something else', 404, () => post(url, body, { path: '/v1/other' })],
  ])('refuses %s with %i, and nothing of it reaches the bus', async (_, status, attack) => {
    expect((await attack()).status).toBe(status)
    expect(topic).toEqual([])
    enrolled.set(ours.Authorization, 'laptop')
    expect((await post(url, body)).status).toBe(204)
    expect((await seen()).map(story)).toEqual(['heartbeat start', 'admin sent ok', 'heartbeat end'])
  })

  test('takes a batch that is sent again for what it is, and does not put it on the bus twice', async () => {
    for (let n = 0; n < 3; n++) expect((await post(url, body)).status).toBe(204)
    expect(topic).toHaveLength(mine.length)
  })

  test('passes on nothing of a record but what a batch has', async () => {
    const smuggled = changed(one => ({
      ...one,
      headers: { ...one.headers, ce_type: 'forged', mun_extra: 'x' },
    }))
    expect((await post(url, smuggled)).status).toBe(204)
    expect(topic.map(({ headers }) => headers)).toEqual(mine.map(({ headers }) => headers))
  })

  test('loses nothing and goes on where a connection is cut in the middle of a batch', async () => {
    const { port } = new URL(url)
    const socket = connect({ port: Number(port), host: '127.0.0.1', ca: server.cert })
    await once(socket, 'secureConnect')
    const head = Object.entries(ours)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')
    socket.write(`POST ${batchesPath} HTTP/1.1\r\nHost: x\r\n${head}Content-Length: ${body.length}\r\n\r\n`)
    socket.write(body.subarray(0, body.length / 2))
    socket.destroy()
    expect((await post(url, body)).status).toBe(204)
    expect(topic).toHaveLength(mine.length)
  })

  test('asks for patience where a device sends too fast, and while its bus is away, and says how much', async () => {
    const slow = await startAt(0, { bytesPerSecond: body.length / 20 })
    const statuses: [number, unknown][] = []
    for (let n = 0; n < 2; n++) {
      const { status, headers } = await post(slow.url, body)
      statuses.push([status, headers['retry-after']])
    }
    expect(statuses).toEqual([
      [204, undefined],
      [429, '4'],
    ])
    publishAs = () => Promise.reject(new Error('down'))
    const { status, headers } = await post(url, body)
    expect([status, headers['retry-after']]).toEqual([503, '2'])
  })

  test.each([
    ['beyond this machine without TLS', { host: '0.0.0.0', isPlain: true }],
    ['with a certificate that is none', { tls: { cert: 'x', key: 'y' } }],
  ])('does not start %s', async (_, options) => {
    await expect(startAt(0, options)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})
