import { openBus, type Bus } from '@muniment/bus'
import { openKafkaBus } from '@muniment/bus/kafka'
import { createFleetStage } from '@muniment/detector'
import { limit, type Guard } from '@muniment/interceptor/guard'
import { decisionRecord, signDecision, type ControlSigner } from '@muniment/keys'
import { createControlVerifier, readDecision } from '@muniment/keys/control'
import { createLogger } from '@muniment/runtime'
import { topic, type Decision } from '@muniment/schema'
import { describe, expect, test } from 'vitest'
import { createControlSigner } from '../../shared/keys/src/control/signer.ts'
import { readSettings } from '../../services/interceptor/src/main-env.ts'
import { openLab } from '../../services/interceptor/test/support.ts'
import { startKafka } from '../lanes/kafka.ts'
import { describeLanes } from '../lanes/lanes.ts'

// A limit of 12 an hour for each principal, at a server in front of which at most four processes stand: the smallest share is 3.

const amount = 12
const members = 4
const smallest = amount / members
const settings = readSettings({ home: '/nonexistent' }, {})
const signer = createControlSigner('test', new Uint8Array(32).fill(3))
const times = { lifeMs: 600, skewMs: 100, silentMs: 1500 }

interface Process {
  /** How many of so many calls of one principal pass. */
  readonly admitted: (principal: string, calls?: number) => number
  readonly hear: (decisions: readonly Decision[], refused?: number) => void
}

function openProcess(lane: string | undefined): Process {
  const listeners: Parameters<Parameters<ReturnType<typeof limit>['open']>[0]['follow']>[0][] = []
  const rules = [{ per: 'principal', amount, windowMs: 3_600_000 }] as const
  const guard: Guard = limit({ door: [], rules, fleet: { members } }).open({
    settings,
    lane,
    follow: listen => void listeners.push(listen),
  })
  const isLet = (id: string): boolean =>
    guard.request?.(
      {
        tenant: 'acme',
        server: 'files',
        method: 'tools/call',
        target: 'read',
        principal: { id, method: 'api_key' },
      },
      {},
    ) === undefined
  return {
    admitted: (principal, calls = amount * 2) =>
      Array.from({ length: calls }, () => isLet(principal)).filter(Boolean).length,
    hear: (decisions, refused = 0) => {
      for (const listen of listeners) listen({ decisions, refused })
    },
  }
}

let principals = 0
function newcomer(): string {
  return `principal-${principals++}`
}

/** One principal that spreads its calls, one at a time. */
function spread(processes: readonly Process[]): number {
  const principal = newcomer()
  let total = 0
  for (let call = 0; call < amount * 2; call++)
    for (const each of processes) total += each.admitted(principal, 1)
  return total
}

interface Fleet {
  readonly join: (lane: string) => Process
  /** Calls of those lanes are recorded until a decision names just them. */
  readonly settle: (lanes: readonly string[]) => Promise<void>
  readonly stop: () => Promise<void>
}

function openFleet(bus: Bus, signal: AbortSignal): Fleet {
  const processes: Process[] = []
  const verifier = createControlVerifier([signer.publicKey])
  const stopped = new AbortController()
  const until = AbortSignal.any([signal, stopped.signal])
  const log = createLogger({ name: 'test', level: 'silent' })
  const running = createFleetStage({ bus, signer, log, now: Date.now, times }).run(until)
  let newest: Decision | undefined
  const follow = async (): Promise<void> => {
    for await (const { value } of bus.read({ topic: topic.control, signal })) {
      const decision = readDecision(verifier, value)
      if (typeof decision === 'string') continue
      newest = decision
      for (const each of processes) each.hear([decision])
    }
  }
  const following = follow()
  const record = async (lane: string): Promise<void> => {
    const call = {
      tenant: 'acme',
      server: 'files',
      lane,
      kind: 'call',
      seq: 0,
      time: new Date().toISOString(),
    }
    await bus.publish(topic.signals, [{ key: lane, value: Buffer.from(JSON.stringify(call)), headers: {} }])
  }
  return {
    join: lane => {
      const made = openProcess(lane)
      processes.push(made)
      return made
    },
    settle: async lanes => {
      const said = async (): Promise<unknown> => {
        for (const lane of lanes) await record(lane)
        return { of: newest?.of, members: newest?.members?.toSorted() }
      }
      await expect.poll(said, { timeout: 30_000 }).toEqual({ of: lanes.length, members: lanes })
    },
    stop: async () => {
      stopped.abort()
      await running.catch(() => undefined)
      if (signal.aborted) await following
    },
  }
}

/** The whole story of a fleet on one bus. */
async function live(bus: Bus): Promise<void> {
  const end = new AbortController()
  const fleet = openFleet(bus, end.signal)
  const [a, b, c] = [fleet.join('a/0'), fleet.join('b/0'), fleet.join('c/0')]
  // Nothing was said: each has the smallest share.
  expect(spread([a, b, c])).toBe(3 * smallest)
  await fleet.settle(['a/0', 'b/0', 'c/0'])
  expect(spread([a, b, c])).toBe(amount)
  // One that starts late has the smallest share beside theirs, and is then one of them.
  const late = fleet.join('d/0')
  expect(spread([a, b, c, late])).toBe(amount + smallest)
  await fleet.settle(['a/0', 'b/0', 'c/0', 'd/0'])
  expect(spread([a, b, c, late])).toBe(amount)
  // What the dead had, the others get.
  await fleet.settle(['a/0', 'b/0'])
  expect(spread([a, b])).toBe(amount)
  await fleet.settle(['a/0'])
  expect(a.admitted(newcomer())).toBe(amount)
  // Nobody says anything any more.
  await fleet.stop()
  await expect.poll(() => a.admitted(newcomer()), { timeout: 10_000 }).toBe(smallest)
  expect(spread([a, b, c, late])).toBe(amount)
  end.abort()
}

describe('a limit of a fleet', () => {
  test.each(['memory', 'embedded'] as const)(
    'is kept by all of them together: %s',
    { timeout: 60_000 },
    async kind => {
      await using lab = await openLab()
      await using bus = await openBus(kind === 'memory' ? { kind } : { kind, dir: `${lab.home}/bus` })
      await bus.createTopics()
      await live(bus)
    },
  )
})

describeLanes(['kafka'], 'a limit of a fleet on Kafka', () => {
  test('is kept by all of them together', { timeout: 120_000 }, async () => {
    await using kafka = await startKafka()
    await using bus = await openKafkaBus({ kind: 'kafka', brokers: kafka.brokers, clientId: 'test' })
    await bus.createTopics()
    await live(bus)
  })
})

describe('a share', () => {
  interface Draft {
    readonly by?: ControlSigner
    readonly ageMs?: number
    readonly lanes?: readonly string[]
    readonly of?: number
    readonly server?: string
    readonly tenant?: string
  }
  function share({
    by = signer,
    ageMs = 0,
    lanes = ['a/0'],
    of = 1,
    server = 'files',
    tenant = 'acme',
  }: Draft): Decision {
    const draft = {
      scope: 'fleet',
      value: server,
      tenant,
      action: 'share',
      reason: 'test',
      lifeMs: 60_000,
    } as const
    return signDecision(
      { ...draft, members: [...lanes], of },
      { signer: by, nowMs: Date.now() - ageMs, previous: undefined },
    )
  }

  test('that was signed for this process counts', () => {
    const process = openProcess('a/0')
    process.hear([share({})])
    expect(process.admitted(newcomer())).toBe(amount)
  })

  test.each<[string, Draft]>([
    ['is for others', { lanes: ['b/0'] }],
    ['is of another server', { server: 'mail' }],
    ['is of another tenant', { tenant: 'globex' }],
    ['has expired', { ageMs: 61_000 }],
    ['is from the future', { ageMs: -400_000 }],
    ['is smaller than the smallest', { of: 64 }],
  ])('that %s gives no more than the smallest', (_, draft) => {
    const process = openProcess('a/0')
    process.hear([share(draft)])
    expect(process.admitted(newcomer())).toBe(smallest)
  })

  test('of an earlier decision does not come back', () => {
    const process = openProcess('a/0')
    const old = share({ ageMs: 1000 })
    process.hear([old, share({ lanes: ['a/0', 'b/0'], of: 2 }), old])
    expect(process.admitted(newcomer())).toBe(amount / 2)
  })

  test('that names more than it counts is one of as many as it names', () => {
    const process = openProcess('a/0')
    process.hear([share({ lanes: ['a/0', 'b/0'], of: 1 })])
    expect(process.admitted(newcomer())).toBe(amount / 2)
  })

  test('does not give back what was spent before', () => {
    const process = openProcess('a/0')
    const principal = newcomer()
    expect(process.admitted(principal)).toBe(smallest)
    process.hear([share({})])
    expect(process.admitted(principal)).toBe(0)
  })

  test('counts only with a signature, and for what was signed', () => {
    const verifier = createControlVerifier([signer.publicKey])
    const read = (decision: Decision): unknown => readDecision(verifier, decisionRecord(decision).value)
    const real = share({ lanes: ['b/0'] })
    expect(read(real)).toEqual(real)
    expect(read({ ...real, members: ['a/0'] })).toBe('forged')
    expect(read({ ...real, of: 2 })).toBe('forged')
    expect(read(share({ by: createControlSigner('test', new Uint8Array(32).fill(4)) }))).toBe('forged')
  })

  test.each([0, 65, 1.5, 13])('of one in %s cannot be meant', count => {
    const rules = [{ per: 'principal', amount, windowMs: 1000 }] as const
    expect(() => limit({ rules, fleet: { members: count } })).toThrow(/cannot be divided/u)
  })
})
