// Decisions and announced keys that reach a device through a collector, which may be anybody's.
import { decisionRecord, signDecision, type DecisionDraft } from '@muniment/keys'
import { decisionKey, parseBatchHeaders, type Decision } from '@muniment/schema'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { SealedRecord } from '../src/batch.ts'
import { createControlRelay, startCollector, type ControlRelay } from '../src/collector.ts'
import { controlPath, cursorField } from '../src/collector/control-wire.ts'
import type { Arriving } from '../src/guard/guard.ts'
import { openHost, type Host } from '../src/host.ts'
import { readSettings } from '../src/main-env.ts'
import type { Problem } from '../src/problem.ts'
import { makeCertificate, type Certificate } from './certificate.ts'
import { openLab, type Lab } from './support.ts'

let folder = ''
let certificate: Certificate
let lab: Lab
let open: AsyncDisposableStack
let problems: Problem[] = []
let topic: SealedRecord[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muniment-relay-'))
  certificate = await makeCertificate(folder, 'collector')
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))
beforeEach(async () => {
  open = new AsyncDisposableStack()
  lab = open.use(await openLab())
  problems = []
  topic = []
})
afterEach(() => open.disposeAsync())

async function newRelay(): Promise<ControlRelay> {
  return createControlRelay({ publicKeys: await lab.keys.controlPublicKeys(), nowMs: Date.now })
}

async function startWith(control: ControlRelay | undefined, port = 0): ReturnType<typeof startCollector> {
  const collector = await startCollector({
    host: '127.0.0.1',
    port,
    tls: certificate,
    bytesPerSecond: 64 * 1024 * 1024,
    authenticate: async ({ authorization }) => (authorization === 'Bearer k' ? 'laptop' : undefined),
    publish: async records => void topic.push(...records),
    ...(control !== undefined && { control }),
  })
  open.defer(() => collector.close(0))
  return collector
}

function device(url: string): Host {
  const who = { name: 'laptop', key: 'k', ca: certificate.cert }
  const settings = {
    bus: url,
    home: lab.home,
    device: who,
    onProblem: (one: Problem) => void problems.push(one),
  }
  const host = openHost(readSettings(settings, {}))
  open.defer(() => host.close(0))
  return host
}

/** What a guard on the device has heard, newest of each key. */
function heardBy(host: Host): Map<string, Decision> & { refused: number } {
  const heard = Object.assign(new Map<string, Decision>(), { refused: 0 })
  host.follow(({ decisions, refused }: Arriving) => {
    heard.refused += refused
    for (const each of decisions) heard.set(decisionKey(each), each)
  })
  return heard
}

const block: DecisionDraft = {
  action: 'block',
  scope: 'principal',
  value: 'mallory',
  reason: 'made up',
  lifeMs: 60_000,
}

async function sign(draft: Partial<DecisionDraft> = {}, previous?: Decision): Promise<Decision> {
  const signer = await lab.keys.controlSigner()
  return signDecision({ ...block, ...draft }, { signer, nowMs: Date.now(), previous })
}

function bytesOf(decision: Decision): Uint8Array {
  return decisionRecord(decision).value
}

const soon = { timeout: 20_000, interval: 20 }

describe('a device behind a collector', () => {
  test('hears what is decided, before it came and after, and what lifts it', async () => {
    const relay = await newRelay()
    const first = await sign()
    relay.take(bytesOf(first))
    const heard = heardBy(device((await startWith(relay)).url))
    await expect.poll(() => heard.get('principal/mallory')?.action, soon).toBe('block')
    relay.take(bytesOf(await sign({ value: 'eve' })))
    await expect.poll(() => heard.size, soon).toBe(2)
    relay.take(bytesOf(await sign({ action: 'observe' }, first)))
    await expect.poll(() => heard.get('principal/mallory')?.action, soon).toBe('observe')
    expect(heard.refused).toBe(0)
  })

  test('hears it however many there are, each once', async () => {
    const relay = await newRelay()
    const many = 1100
    for (let n = 0; n < many; n++)
      relay.take(bytesOf(await sign({ value: `p${n}`, reason: 'x'.repeat(200) })))
    const heard = heardBy(device((await startWith(relay)).url))
    await expect.poll(() => heard.size, { ...soon, timeout: 50_000 }).toBe(many)
  })

  test('seals to an announced key without a restart', async () => {
    const relay = await newRelay()
    const host = device((await startWith(relay)).url)
    const act = (method: string): void =>
      host.core.act({ method, outcome: 'ok', principal: { id: 'root', method: 'os' }, details: {} })
    act('before')
    await host.core.flush()
    const announced = await lab.keys.ingestPublicKey()
    const next = announced.replace(/^\d+/u, old => String(Number(old) + 1))
    relay.take(bytesOf(await sign({ action: 'rotate', scope: 'ingest_key', value: '*', public_key: next })))
    await expect
      .poll(async () => {
        act('after')
        await host.core.flush()
        return new Set(topic.map(({ key, headers }) => parseBatchHeaders(key, headers).kid)).size
      }, soon)
      .toBe(2)
  })

  test('keeps what is in force while the collector is away, and hears the rest when it is back', async () => {
    const relay = await newRelay()
    relay.take(bytesOf(await sign()))
    const collector = await startWith(relay)
    const heard = heardBy(device(collector.url))
    await expect.poll(() => heard.size, soon).toBe(1)
    await collector.close(0)
    const again = await newRelay()
    again.take(bytesOf(await sign({ value: 'eve' })))
    await startWith(again, Number(new URL(collector.url).port))
    await expect.poll(() => [...heard.keys()], soon).toEqual(['principal/mallory', 'principal/eve'])
  })

  test('is told where a collector passes nothing on', async () => {
    heardBy(device((await startWith(undefined)).url))
    await expect
      .poll(() => problems.map(({ hint }) => hint).join(), soon)
      .toContain('MUNIMENT_CONTROL_KEY at the collector')
  })

  test('ends when it is told to, whether or not a question is open', async () => {
    const host = device((await startWith(await newRelay())).url)
    heardBy(host)
    await host.close(5000)
  })
})

/** A collector that says what it likes. */
async function liar(
  answer: (request: IncomingMessage, response: ServerResponse, nth: number) => void,
): Promise<{ url: string; asked: () => number }> {
  let asked = 0
  const server = createServer({ ...certificate }, (request, response) => {
    request.resume()
    if (!request.url?.startsWith(controlPath)) return void response.writeHead(204).end()
    asked += 1
    return answer(request, response, asked)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  open.defer(async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })
  const address = server.address()
  return { url: `https://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`, asked: () => asked }
}

function page(response: ServerResponse, lines: readonly string[], cursor: string): void {
  response.writeHead(200, { [cursorField]: cursor }).end(lines.map(line => `${line}\n`).join(''))
}

describe('a collector that lies', () => {
  test.each<[string, (genuine: Decision) => string | Promise<string>]>([
    ['another value', genuine => JSON.stringify({ ...genuine, value: 'alice' })],
    [
      'a later end',
      genuine => JSON.stringify({ ...genuine, expires: new Date(Date.now() + 3_000_000).toISOString() }),
    ],
    ['a newer version', genuine => JSON.stringify({ ...genuine, version: genuine.version + 10 })],
    ['a weaker action', genuine => JSON.stringify({ ...genuine, action: 'observe' })],
    ['no signature', genuine => JSON.stringify({ ...genuine, signature: '' })],
    ['a field more', genuine => JSON.stringify({ ...genuine, tenant: 'acme' })],
    [
      'a signature of its own',
      async genuine => {
        const { keys } = open.use(await openLab())
        return JSON.stringify((await keys.controlSigner()).sign(genuine))
      },
    ],
    ['no JSON', () => 'block everybody'],
  ])('with %s is not believed, and that is told', async (_, forge) => {
    const genuine = await sign()
    const forged = await forge(genuine)
    const { url } = await liar((_request, response, nth) =>
      page(response, [JSON.stringify(genuine), forged], `a.${nth}`),
    )
    const heard = heardBy(device(url))
    await expect.poll(() => heard.refused, soon).toBeGreaterThan(0)
    expect([...heard.values()]).toEqual([genuine])
  })

  test('with a decision that was replaced brings nothing back, in whatever order', async () => {
    const old = await sign()
    const lifted = await sign({ action: 'observe' }, old)
    const { enforceDecisions } = await import('../src/guard/index.ts')
    const { url, asked } = await liar((_request, response, nth) =>
      page(response, nth === 1 ? [JSON.stringify(lifted)] : [JSON.stringify(old)], `a.${nth}`),
    )
    const host = device(url)
    const settings = readSettings({ home: lab.home, onProblem: () => undefined }, {})
    const guard = enforceDecisions().open({ settings, follow: host.follow })
    await expect.poll(asked, soon).toBeGreaterThan(2)
    const subject = {
      tenant: 'default',
      method: 'tools/call',
      principal: { id: 'mallory', method: 'api_key' },
    } as const
    const verdict = await guard.request?.(subject, {})
    expect(verdict?.refusal).toBeUndefined()
  })

  test.each<[string, (response: ServerResponse) => void]>([
    [
      'an answer without end',
      response => {
        response.writeHead(200, { [cursorField]: 'a.1' })
        const more = (): void => {
          while (!response.destroyed && response.write('x'.repeat(65_536)));
          if (!response.destroyed) response.once('drain', more)
        }
        more()
      },
    ],
    ['one endless line', response => page(response, ['x'.repeat(3_000_000)], 'a.1')],
    [
      'half an answer',
      response => {
        response.writeHead(200, { 'Content-Length': '1000' }).write('{')
        response.socket?.destroySoon()
      },
    ],
    ['a way elsewhere', response => void response.writeHead(302, { Location: 'https://127.0.0.1:1/' }).end()],
    ['the same again and again, at once', response => page(response, [], 'a.1')],
  ])('with %s costs the device little, and it asks again in its own time', async (_, answer) => {
    const { url, asked } = await liar((_request, response) => answer(response))
    const host = device(url)
    const heard = heardBy(host)
    await expect.poll(asked, soon).toBeGreaterThan(1)
    expect(asked()).toBeLessThan(6)
    expect([heard.size, heard.refused > 1]).toEqual([0, false])
    host.core.act({ method: 'still', outcome: 'ok', principal: { id: 'root', method: 'os' }, details: {} })
    expect(await host.isFlushed(10_000)).toBe(true)
  })
})

describe('a relay', () => {
  test('lets a forged record, or an older one, hide nothing', async () => {
    const relay = await newRelay()
    const genuine = await sign()
    const older: Decision = { ...genuine, version: genuine.version - 1 }
    expect(relay.take(bytesOf(genuine))).toBe('applied')
    expect(relay.take(bytesOf({ ...genuine, action: 'observe', version: genuine.version + 1 }))).toBe(
      'forged',
    )
    expect(relay.take(bytesOf(older))).toBe('forged')
    expect(relay.take(bytesOf(genuine))).toBe('known')
    expect(relay.take(Buffer.from('nothing'))).toBe('malformed')
    expect(relay.after(undefined).lines.map(line => JSON.parse(line))).toEqual([genuine])
  })

  test('tells nothing that is over, and begins again for whom it does not know', async () => {
    let nowMs = Date.now()
    const relay = createControlRelay({ publicKeys: await lab.keys.controlPublicKeys(), nowMs: () => nowMs })
    relay.take(bytesOf(await sign()))
    const { cursor, lines } = relay.after(undefined)
    expect(lines).toHaveLength(1)
    expect(relay.after(cursor).lines).toEqual([])
    for (const other of ['', 'x.5', `${cursor}9`, cursor.replace(/\d+$/u, '-1')])
      expect(relay.after(other).lines.length, other).toBe(other === `${cursor}9` ? 0 : 1)
    nowMs += 120_000
    expect(relay.after(undefined).lines).toEqual([])
  })

  test.each([
    ['who is not enrolled', 'Bearer wrong', 'GET', 401],
    ['who shows nothing', undefined, 'GET', 401],
    ['another method', 'Bearer k', 'POST', 405],
  ])('tells nothing to %s', async (...[, authorization, method, status]) => {
    const relay = await newRelay()
    relay.take(bytesOf(await sign()))
    const { url } = await startWith(relay)
    const headers = authorization === undefined ? {} : { authorization }
    const asked = httpsRequest(new URL(controlPath, url), { method, headers, ca: certificate.cert })
    asked.end()
    const [response]: IncomingMessage[] = await once(asked, 'response')
    let text = ''
    for await (const part of response ?? []) text += String(part)
    expect([response?.statusCode, text]).toEqual([status, ''])
  })
})
