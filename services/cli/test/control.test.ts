import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openBus, type Bus } from '@muniment/bus'
import { createControlVerifier, openSnapshot } from '@muniment/keys/control'
import { createLogger, readConfig } from '@muniment/runtime'
import { topic } from '@muniment/schema'
import { openBusOf, openKeysOf } from '../src/context.ts'
import { controlTask } from '../src/control.ts'
import { muniment, type Ran } from './io.ts'

let home = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'muniment-control-'))
})
afterEach(async () => rm(home, { recursive: true, force: true, maxRetries: 10 }))

const run = async (...args: string[]): Promise<Ran> => muniment(args, { env: { MUNIMENT_HOME: home } })
const why = ['--reason', 'key leaked']

/** What guards of this machine read. */
async function inForce(): Promise<string[]> {
  const keys = (await readFile(join(home, 'control.pub'), 'utf8')).trim().split('\n')
  const text = await readFile(join(home, 'control.json'), 'utf8')
  const snapshot = openSnapshot(createControlVerifier(keys), text)
  return (snapshot?.decisions ?? []).map(({ action, scope, value }) => `${action} ${scope}/${value}`)
}

async function publish(bus: Bus, key: string, value: string): Promise<void> {
  await bus.publish(topic.control, [{ key, value: new TextEncoder().encode(value), headers: {} }])
}

async function published(bus: Bus): Promise<string[]> {
  const { signal } = new AbortController()
  const texts: string[] = []
  for await (const { value } of bus.read({ topic: topic.control, untilEnd: true, signal }))
    texts.push(new TextDecoder().decode(value))
  return texts
}

describe('a decision', () => {
  test('is in force for guards of this machine when block returns, listed, and lifted by unblock', async () => {
    const blocked = await run('block', 'principal', 'alice', ...why, '--for', '2h')
    expect(blocked).toMatchObject({ exitCode: 0, stderr: '' })
    expect(blocked.stdout).toBe('block  principal/alice  2 h left  operator: key leaked\n')
    expect(await inForce()).toEqual(['block principal/alice'])
    expect((await run('decisions')).stdout).toBe(blocked.stdout)

    expect((await run('unblock', 'principal', 'alice', '--reason', 'replaced')).exitCode).toBe(0)
    expect(await inForce()).toEqual(['observe principal/alice'])
    expect((await run('unblock', 'principal', 'alice', '--reason', 'again')).exitCode).toBe(1)
  })

  test('of another process is kept where two decide at the same time', async () => {
    await Promise.all(['a', 'b', 'c'].map(each => run('block', 'tool', each, ...why)))
    expect((await inForce()).toSorted()).toEqual(['block tool/a', 'block tool/b', 'block tool/c'])
  })

  test('about one tenant is lifted without naming the tenant, unless there are several', async () => {
    await run('block', 'principal', 'alice', ...why, '--tenant', 'acme')
    await run('block', 'principal', 'alice', ...why, '--tenant', 'other')
    expect(await run('unblock', 'principal', 'alice', ...why)).toMatchObject({ exitCode: 2 })
    expect((await run('unblock', 'principal', 'alice', ...why, '--tenant', 'acme')).exitCode).toBe(0)
    expect((await run('unblock', 'principal', 'alice', ...why)).stdout).toContain('principal@other/alice')
  })

  test('that nobody signed is passed over', async () => {
    await run('block', 'principal', 'alice', ...why)
    {
      await using bus = await openBus({ kind: 'embedded', dir: join(home, 'bus') })
      const good = (await published(bus)).at(-1) ?? ''
      const forged = good.replace('"block"', '"observe"').replace(/"version":\d+/u, '"version":9999999999999')
      await publish(bus, 'principal/alice', forged)
    }
    expect((await run('decisions')).stdout).toContain('block  principal/alice')
    expect(await inForce()).toEqual(['block principal/alice'])
    await run('block', 'principal', 'bob', ...why)
    expect((await inForce()).toSorted()).toEqual(['block principal/alice', 'block principal/bob'])
  })
})

test.each([
  ['forged', (good: string) => good.replace('"block"', '"observe"')],
  ['replayed', (_: string, earlier: string) => earlier],
  ['empty', () => ''],
])(
  'a record that hides a decision on the compacted topic, %s, is undone by the keeper',
  async (_, attack) => {
    const config = readConfig({ env: { MUNIMENT_HOME: home } })
    await using bus = await openBusOf(config)
    await using keyContext = await openKeysOf(config)
    const stop = new AbortController()
    const log = createLogger({ name: 'test', level: 'silent' })
    const running = controlTask({ config, bus, keys: keyContext.keys }, log).run(stop.signal)
    await run('block', 'principal', 'alice', '--reason', 'first', '--action', 'observe')
    const [earlier = ''] = await published(bus)
    await run('block', 'principal', 'alice', '--reason', 'second')
    const good = (await published(bus)).at(-1) ?? ''
    await expect.poll(inForce).toEqual(['block principal/alice'])
    await publish(bus, 'principal/alice', attack(good, earlier))
    const newest = async (): Promise<unknown> => JSON.parse((await published(bus)).at(-1) || '{}')
    await expect.poll(newest, { interval: 20 }).toEqual(JSON.parse(good))
    stop.abort()
    await running
  },
)

test.each([
  ['an unknown scope', ['block', 'user', 'alice', ...why], '"user" is not something to decide about'],
  ['no reason', ['block', 'principal', 'alice'], 'Say why'],
  ['a life without an end', ['block', 'principal', 'alice', ...why, '--for', '40d'], '31 days'],
  ['a rate without a throttle', ['block', 'principal', 'alice', ...why, '--rate', '3'], '--rate goes with'],
  ['a throttle without a rate', ['block', 'tool', 'x', ...why, '--action', 'throttle'], '--rate goes with'],
])('%s is a mistake that is named', async (_, args, message) => {
  const { exitCode, stderr } = await run(...args)
  expect(stderr).toContain(message)
  expect(exitCode).toBe(2)
})
