import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openSink, type Sink } from '../src/index.ts'
import { digestOf } from '../src/notice.ts'
import { alert, notice } from './alerts.ts'

const token = 'made-up-token-of-the-wall'
const { signal } = new AbortController()

let sink: Sink
let url = ''
function onListening(where: string): void {
  url = where
}

beforeEach(async () => {
  sink = await openSink({ kind: 'sse', host: '127.0.0.1', port: 0, token, onListening })
})
afterEach(async () => sink[Symbol.asyncDispose]())

interface Listening extends AsyncDisposable {
  readonly ids: () => string[]
  readonly text: () => string
}

/** A client that listens, and is listening when this resolves. */
async function listen(lastId?: string): Promise<Listening> {
  const leave = new AbortController()
  const headers = {
    authorization: `Bearer ${token}`,
    ...(lastId !== undefined && { 'last-event-id': lastId }),
  }
  const response = await fetch(url, { headers, signal: leave.signal })
  let text = ''
  const reading = (async () => {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString()
  })().catch(() => undefined)
  await expect.poll(() => text).toContain(': listening')
  return {
    text: () => text,
    ids: () => [...text.matchAll(/^id: (.+)$/gmu)].map(([, id]) => id ?? ''),
    [Symbol.asyncDispose]: async () => {
      leave.abort()
      await reading
    },
  }
}

describe('the sse sink', () => {
  test('sends alerts and digests to everybody who listens', async () => {
    await using one = await listen()
    await using two = await listen()
    await sink.deliver(notice(0), signal)
    const digest = digestOf([alert(1), alert(2)])
    await sink.deliver({ kind: 'digest', digest }, signal)
    for (const client of [one, two]) await expect.poll(client.ids).toEqual(['alert-0', digest.uid])
    const [, data = ''] = /^data: (.+)$/mu.exec(one.text()) ?? []
    expect(JSON.parse(data)).toEqual(alert(0))
  })

  test('gives a client that comes back what it missed, and one that is new only what comes', async () => {
    for (const seq of [0, 1, 2]) await sink.deliver(notice(seq), signal)
    await using back = await listen('alert-0')
    await using fresh = await listen()
    await sink.deliver(notice(3), signal)
    await expect.poll(back.ids).toEqual(['alert-1', 'alert-2', 'alert-3'])
    await expect.poll(fresh.ids).toEqual(['alert-3'])
  })

  test('sends what the dispatcher repeats once', async () => {
    await using client = await listen()
    await sink.deliver(notice(0), signal)
    await sink.deliver(notice(0), signal)
    await sink.deliver(notice(1), signal)
    await expect.poll(client.ids).toEqual(['alert-0', 'alert-1'])
  })

  test.each([
    ['no token', {}, '', 401],
    ['a wrong token', { authorization: 'Bearer wrong' }, '', 401],
    ['the token in the clear', { authorization: token }, '', 401],
    ['another path', { authorization: `Bearer ${token}` }, '/../secrets', 404],
  ])('refuses a client with %s', async (...about) => {
    const [, headers, path, status] = about
    expect((await fetch(`${url}${path}`, { headers })).status).toBe(status)
  })

  test('keeps a delivery waiting for nobody', async () => {
    await sink.deliver(notice(0), signal)
    await expect(sink.deliver(notice(1), AbortSignal.abort())).rejects.toThrow()
  })
})
