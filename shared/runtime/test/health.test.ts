import { connect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { AppError } from '@muniment/schema'
import { createMetrics, startHealth, type HealthOptions } from '../src/index.ts'

async function serve(checks: HealthOptions['checks'] = {}): Promise<string> {
  const health = await startHealth({
    host: '127.0.0.1',
    port: 0,
    checks,
    checkTimeoutMs: 50,
    metrics: createMetrics(),
  })
  onTestFinished(async () => {
    await health[Symbol.asyncDispose]()
  })
  return health.url
}

describe('the health server', () => {
  test('is alive while it answers', async () => {
    const reply = await fetch(`${await serve()}/livez`)
    expect([reply.status, await reply.text()]).toEqual([200, 'ok\n'])
  })

  test('is ready when every check passes, and says why it is not', async () => {
    let problem: string | undefined = 'spool holds 3 batches'
    const url = await serve({ bus: () => problem, store: async () => await Promise.resolve(undefined) })
    const before = await fetch(`${url}/readyz`)
    expect(before.status).toBe(503)
    expect(await before.json()).toEqual({ ready: false, checks: { bus: problem, store: 'ok' } })
    problem = undefined
    const after = await fetch(`${url}/readyz`)
    expect(after.status).toBe(200)
    expect(await after.json()).toEqual({ ready: true, checks: { bus: 'ok', store: 'ok' } })
  })

  test('counts a check that throws or hangs as not ready, and tells nothing of foreign errors', async () => {
    const url = await serve({
      hangs: async () => await new Promise<undefined>(() => undefined),
      ours: () => {
        throw new AppError('STORE_REFUSED', 'The bucket x refuses.')
      },
      foreign: () => {
        throw new Error('planted')
      },
    })
    const reply = await fetch(`${url}/readyz`)
    expect(await reply.json()).toEqual({
      ready: false,
      checks: {
        hangs: 'no answer within 50 ms',
        ours: 'The bucket x refuses.',
        foreign: 'the check failed',
      },
    })
  })

  test('serves metrics', async () => {
    const reply = await fetch(`${await serve()}/metrics?x=1`)
    expect(reply.status).toBe(200)
    expect(reply.headers.get('content-type')).toContain('text/plain')
  })

  test.each([
    ['GET', '/', 404],
    ['GET', '/secrets', 404],
    ['POST', '/livez', 405],
    ['HEAD', '/livez', 200],
  ])('answers %s %s with %i', async (method, path, status) => {
    const reply = await fetch(`${await serve()}${path}`, { method })
    expect(reply.status).toBe(status)
  })

  test('survives what is not HTTP', async () => {
    const url = await serve()
    await new Promise(resolve => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1', () =>
        socket.end('\0\0\0 not http\r\n\r\n'),
      )
      socket.on('close', resolve).on('error', resolve).resume()
    })
    expect((await fetch(`${url}/livez`)).status).toBe(200)
  })

  test('says CONFIG_INVALID where the port is taken', async () => {
    const port = Number(new URL(await serve()).port)
    const second = startHealth({ host: '127.0.0.1', port, checks: {}, metrics: createMetrics() })
    await expect(second).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('EADDRINUSE'),
    })
  })
})
