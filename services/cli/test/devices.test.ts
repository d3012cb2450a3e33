import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openState } from '@muniment/state'
import { beforeEach, describe, expect, test } from 'vitest'
import { createDeviceCheck, openDevices, type Devices } from '../src/collector/devices.ts'
import { muniment } from './io.ts'

const nowMs = Date.now()
let devices: Devices
let check: (authorization: string | undefined, certificate?: string) => Promise<string | undefined>
let passMs = 0

beforeEach(async () => {
  const state = await openState({ kind: 'memory' })
  passMs = 0
  const options = { state, now: () => nowMs + passMs, randomBytes: (size: number) => randomBytes(size) }
  devices = openDevices(options)
  const ask = createDeviceCheck(options)
  check = (authorization, certificate) => ask({ authorization, certificate, address: '192.0.2.7' })
})

describe('an enrolled device', () => {
  test('is known by any of its keys, and by a certificate in its name', async () => {
    const [first, second] = [await devices.add('laptop'), await devices.add('laptop')]
    expect(await check(`Bearer ${first.key}`)).toBe('laptop')
    expect(await check(`Bearer ${second.key}`)).toBe('laptop')
    expect(await check(undefined, 'laptop')).toBe('laptop')
  })

  test('is not known any more, by key or certificate, seconds after it was revoked; another is', async () => {
    const [one, other] = [await devices.add('laptop'), await devices.add('desk')]
    expect(await check(`Bearer ${one.key}`)).toBe('laptop')
    expect(await check(undefined, 'laptop')).toBe('laptop')
    expect(await devices.revoke('laptop')).toEqual([one.id])
    passMs = 3000
    expect(await check(`Bearer ${one.key}`)).toBeUndefined()
    expect(await check(undefined, 'laptop')).toBeUndefined()
    expect(await check(`Bearer ${other.key}`)).toBe('desk')
    await expect(devices.revoke('laptop')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test.each([
    ['nothing', () => undefined],
    ['a key that nobody has', () => `Bearer mun_${'0'.repeat(16)}_${'A'.repeat(43)}`],
    ['the secret of another', (key: string, other: string) => `Bearer ${key.slice(0, 21)}${other.slice(21)}`],
    ['a key that was cut', (key: string) => `Bearer ${key.slice(0, -1)}`],
    ['another scheme', (key: string) => `Basic ${key}`],
  ])('is not known by %s', async (_, shown) => {
    const [one, other] = [await devices.add('laptop'), await devices.add('desk')]
    expect(await check(shown(one.key, other.key))).toBeUndefined()
  })

  test('is not known by a certificate in a name that was not enrolled, nor by one beside a wrong key', async () => {
    await devices.add('laptop')
    expect(await check(undefined, 'desk')).toBeUndefined()
    expect(await check('Bearer mun_wrong', 'laptop')).toBeUndefined()
  })

  test.each(['', 'Laptop', 'a.b', 'a/b', '-a', 'x'.repeat(64)])('cannot be called %j', async name => {
    await expect(devices.add(name)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})

test.each([
  [['keys', 'device', 'forget'], 2, /add, list, revoke/u],
  [['keys', 'device', 'add', 'My Laptop'], 2, /lower-case letters/u],
  [['keys', 'device', 'add'], 2, /name/u],
  [['keys', 'device', 'revoke', 'nobody'], 1, /device list/u],
])('muniment %j exits with %i and says what to do', async (args, exitCode, hint) => {
  const home = await mkdtemp(join(tmpdir(), 'muniment-devices-'))
  const ran = await muniment(args, { env: { MUNIMENT_HOME: home } })
  await rm(home, { recursive: true, maxRetries: 10 })
  expect(ran.exitCode).toBe(exitCode)
  expect(ran.stderr).toMatch(hint)
})
