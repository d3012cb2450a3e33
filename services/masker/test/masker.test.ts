import { createHash, createHmac } from 'node:crypto'
import type { OutgoingRecord } from '@muniment/bus'
import { createMasks, createVaultedTokens } from '@muniment/masker'
import { describe, expect, test } from 'vitest'
import {
  answer,
  call,
  createRig,
  createTestKeys,
  eventOf,
  frameOf,
  observationAt,
  sealFrames,
} from './fixture.ts'

const { keys, publicText } = await createTestKeys()
const digestKey = await keys.digestKey('default')
const another = (await createTestKeys()).publicText
const sameNameOtherKey = `${publicText.split('.')[0]}.${another.split('.')[1]}`
function batchAt(seq: number, request: string, response = answer('ok')): OutgoingRecord[] {
  return sealFrames([frameOf(observationAt(seq), request, response)], {
    publicText,
    firstSeq: seq,
    lastSeq: seq,
  })
}

test('publishes one masked event per observation, with the digest of the original bytes', async () => {
  const rig = await createRig(keys)
  const request = call('write to ada.lovelace@example.com')
  await rig.publish(batchAt(0, request))
  await rig.work()
  const [record, ...more] = await rig.events()
  const event = eventOf(record)
  expect(more).toEqual([])
  expect(JSON.stringify(event)).not.toContain('ada.lovelace')
  expect(event.pii.findings).toEqual([
    { type: 'EMAIL', path: 'params.arguments.note', count: 1, action: expect.any(String) },
  ])
  expect(event.request?.digest).toBe(createHmac('sha256', digestKey).update(request).digest('hex'))
  expect(event.response?.item_count).toBe(1)
  expect(record?.headers).toMatchObject({
    ce_type: 'dev.muniment.mcp.call.v1',
    mun_lane: 'web-1/5',
    mun_seq: '0',
    mun_from: '0',
    mun_tenant: 'default',
  })
})

test('makes a keyed digest of what a guard let go on instead, and passes on what it found', async () => {
  const rig = await createRig(keys)
  const sha256 = createHash('sha256').update('what a model got').digest('hex')
  const findings = [{ type: 'EMAIL', path: 'ada@example.org', count: 2, action: 'token' }]
  const observation = observationAt(0, {
    request: { size_bytes: 9 },
    response: { size_bytes: 9, changed: { size_bytes: 16, sha256, findings } },
  })
  const frame = frameOf(observation, call('hi'), answer('write to ada@example.org'))
  await rig.publish(sealFrames([frame], { publicText, firstSeq: 0, lastSeq: 0 }))
  await rig.work()
  const event = eventOf((await rig.events())[0])
  expect(event.request?.changed).toBeUndefined()
  expect(event.response?.changed).toEqual({
    digest: createHmac('sha256', digestKey).update(Buffer.from(sha256, 'hex')).digest('hex'),
    size_bytes: 16,
    findings: [{ type: 'EMAIL', path: '[EMAIL]', count: 2, action: 'token' }],
  })
  expect(JSON.stringify(event)).not.toMatch(new RegExp(`ada@|${sha256}`, 'u'))
})

test('follows a policy, with tokens that join within a tenant only', async () => {
  const rules = [
    { types: ['EMAIL'], tools: ['lookup'], action: { kind: 'token' } },
    { types: ['PHONE'], surfaces: ['model'], action: { kind: 'keep' } },
  ] as const
  const openMask = createMasks({ rules }, keys.maskingKeys)
  const rig = await createRig(keys, { openMask })
  const seen = async (target: string, tenant = 'default'): Promise<unknown> => {
    const observation = { ...observationAt(seq), tenant, target }
    const text = 'Ada@example.org, +1 415 555 2671'
    await rig.publish(
      sealFrames([frameOf(observation, call(text), answer('ok'))], {
        publicText,
        firstSeq: seq,
        lastSeq: seq,
      }),
    )
    await rig.work()
    seq += 1
    return eventOf((await rig.events()).at(-1)).request?.body
  }
  let seq = 0
  const first = JSON.stringify(await seen('lookup'))
  expect(first).toMatch(/\[EMAIL:[a-z]{32}\], \[PHONE\]/u)
  expect(JSON.stringify(await seen('lookup'))).toBe(first)
  expect(JSON.stringify(await seen('lookup', 'acme'))).not.toBe(first)
  expect(JSON.stringify(await seen('another'))).toContain('[EMAIL], [PHONE]')
})

function tokens(text: string): readonly string[] {
  return [...text.matchAll(/\[EMAIL:([a-fq-z]{32})\]/gu)].map(([, id]) => id ?? '')
}

test('vaults tokens: one for a person whoever masks, made again only after its row was erased', async () => {
  const rules = [{ types: ['EMAIL'], action: { kind: 'token', isVaulted: true } }] as const
  const masked = async (): Promise<string> => {
    let nowMs = 0
    const vaulted = createVaultedTokens(keys.vault, { now: () => nowMs, cacheTtlMs: 60_000 })
    const rig = await createRig(keys, { openMask: createMasks({ rules }, keys.maskingKeys, vaulted) })
    await rig.publish(batchAt(0, call('Ada@example.org wrote to ada@example.org and bob@example.org')))
    await rig.publish(batchAt(1, call('ada@example.org')))
    await rig.work()
    nowMs += 60_000
    return (await rig.events()).map(record => JSON.stringify(eventOf(record).request?.body)).join(' ')
  }
  const ada = { kind: 'EMAIL', value: 'ada@example.org' }
  const first = tokens(await masked())
  expect(first).toHaveLength(4)
  expect(new Set(first).size).toBe(2)
  expect([first[1], first[3]]).toEqual([first[0], first[0]])
  expect(await keys.vault.reveal('default', first[0] ?? '')).toEqual(ada)
  expect(tokens(await masked())).toEqual(first)
  await keys.vault.erase('default', ada)
  const later = tokens(await masked())
  expect(later[2]).toBe(first[2])
  expect(first).not.toContain(later[0])
  expect(await keys.vault.reveal('default', first[0] ?? '')).toBeUndefined()
})

test('one message cannot fill the vault: values beyond a thousand lose their token, and none is left in clear', async () => {
  const rules = [{ types: ['EMAIL'], action: { kind: 'token', isVaulted: true } }] as const
  const vaulted = createVaultedTokens(keys.vault, { now: Date.now, cacheTtlMs: 60_000 })
  const rig = await createRig(keys, { openMask: createMasks({ rules }, keys.maskingKeys, vaulted) })
  const many = Array.from({ length: 1200 }, (_, at) => `flood${at}@example.org`).join(', ')
  await rig.publish(batchAt(0, call(many)))
  await rig.work()
  const text = JSON.stringify(eventOf((await rig.events())[0]).request?.body)
  expect(text.match(/\[EMAIL:[a-fq-z]{32}\]/gu)).toHaveLength(1000)
  expect(text.match(/\[EMAIL:x\]/gu)).toHaveLength(200)
  expect(text).not.toContain('flood')
})

test('keeps the lane in one partition, the one it had on raw', async () => {
  const rig = await createRig(keys)
  for (let seq = 0; seq < 20; seq++) await rig.publish(batchAt(seq, call(String(seq))))
  await rig.work()
  const events = await rig.events()
  expect(new Set(events.map(({ partition }) => partition)).size).toBe(1)
  expect(events.map(record => eventOf(record).source.seq)).toEqual(
    Array.from({ length: 20 }, (_, seq) => seq),
  )
})

test('drops a batch that was published twice', async () => {
  const rig = await createRig(keys)
  const batch = batchAt(0, call('a'))
  await rig.publish([...batch, ...batch, ...batchAt(1, call('b'))])
  await rig.work()
  expect((await rig.events()).map(record => eventOf(record).source.seq)).toEqual([0, 1])
})

test('joins a batch that was split, also when its publisher began again', async () => {
  const rig = await createRig(keys)
  const text = Array.from({ length: 4000 }, (_, index) => `row ${(index * 7919).toString(36)}`).join('\n')
  const parts = sealFrames([frameOf(observationAt(0), call(text), answer('ok'))], {
    publicText,
    firstSeq: 0,
    lastSeq: 0,
    parts: 3,
  })
  await rig.publish([...parts.slice(0, 2), ...parts, ...batchAt(1, call('after'))])
  await rig.work()
  const events = (await rig.events()).map(eventOf)
  expect(events.map(({ source }) => source.seq)).toEqual([0, 1])
  expect(events[0]?.request?.body).toEqual(JSON.parse(call(text)))
  expect(await rig.letters()).toEqual([])
})

test('gives up a split batch whose rest never comes, and goes on', async () => {
  const rig = await createRig(keys)
  const parts = sealFrames([frameOf(observationAt(0), call('x'))], {
    publicText,
    firstSeq: 0,
    lastSeq: 0,
    parts: 2,
  })
  await rig.publish([...parts.slice(0, 1), ...batchAt(1, call('after'))])
  await rig.work()
  const events = (await rig.events()).map(eventOf)
  expect(events.map(({ kind }) => kind)).toEqual(['gap', 'call'])
  expect(events[0]?.gap).toEqual({
    from_seq: 0,
    to_seq: 0,
    reason: 'BATCH_MALFORMED',
    count: 1,
    claimed: true,
  })
  expect(await rig.letters()).toHaveLength(1)
})

test('a batch given up that began with a heartbeat is missed from its first own number on', async () => {
  const rig = await createRig(keys)
  const heartbeat = observationAt(0, { kind: 'heartbeat', lane: { state: 'alive' } })
  const frames = [frameOf(heartbeat), frameOf(observationAt(1), call('x'))]
  const spoilt = sealFrames(frames, { publicText, firstSeq: 0, lastSeq: 1 }).map(record => ({
    ...record,
    value: record.value.map((byte, index) => (index === 0 ? byte ^ 1 : byte)),
  }))
  await rig.publish([...batchAt(0, call('a')), ...spoilt, ...batchAt(2, call('b'))])
  await rig.work()
  const events = (await rig.events()).map(eventOf)
  expect(events.map(({ gap, source }) => gap?.from_seq ?? source.seq)).toEqual([0, 1, 2])
  expect(events[1]?.gap).toMatchObject({ from_seq: 1, to_seq: 1, count: 1 })
})

describe('a batch it cannot read', () => {
  const wrongLane = sealFrames([frameOf(observationAt(0), call('x'))], {
    publicText,
    firstSeq: 0,
    lastSeq: 0,
    lane: 'web-2/5',
  })
  const flipped = batchAt(0, call('x')).map(record => ({
    ...record,
    value: record.value.map((byte, at) => (at === 60 ? byte ^ 1 : byte)),
  }))
  test.each([
    [
      'sealed to another key',
      sealFrames([frameOf(observationAt(0), call('x'))], {
        publicText: sameNameOtherKey,
        firstSeq: 0,
        lastSeq: 0,
      }),
      'BATCH_UNREADABLE',
    ],
    ['with one flipped bit', flipped, 'BATCH_UNREADABLE'],
    [
      'whose header was moved to other numbers',
      batchAt(0, call('x')).map(record => ({ ...record, headers: { ...record.headers, mun_last: '9' } })),
      'BATCH_UNREADABLE',
    ],
    [
      'of an unknown version',
      batchAt(0, call('x')).map(record => ({ ...record, headers: { ...record.headers, mun_v: '9' } })),
      'SCHEMA_UNKNOWN',
    ],
    [
      'with an observation of an unknown version',
      sealFrames([{ envelope: Buffer.from('{"v":2}') }], { publicText, firstSeq: 0, lastSeq: 0 }),
      'SCHEMA_UNKNOWN',
    ],
    [
      'that holds no JSON',
      sealFrames([{ envelope: Buffer.from('{') }], { publicText, firstSeq: 0, lastSeq: 0 }),
      'BATCH_MALFORMED',
    ],
    ['that holds events of another lane', wrongLane, 'BATCH_MALFORMED'],
    [
      'that skips a number',
      sealFrames(
        [0, 2].map(seq => frameOf(observationAt(seq))),
        { publicText, firstSeq: 0, lastSeq: 2 },
      ),
      'BATCH_MALFORMED',
    ],
    [
      'that is empty',
      [{ key: 'web-1/5', value: new Uint8Array(0), headers: batchAt(0, call('x'))[0]?.headers ?? {} }],
      'BATCH_MALFORMED',
    ],
  ])('%s goes to the dead-letter topic as it came, and the lane goes on', async (_, records, code) => {
    const rig = await createRig(keys)
    await rig.publish(records)
    await rig.publish(
      sealFrames(
        [
          frameOf(
            observationAt(0, { source: { instance: 'next', epoch: 1, seq: 0, version: '1' } }),
            call('y'),
          ),
        ],
        { publicText, firstSeq: 0, lastSeq: 0, lane: 'next/1' },
      ),
    )
    await rig.work()
    const [letter] = await rig.letters()
    expect(letter?.headers).toMatchObject({ mun_error_code: code, mun_error_topic: 'mcp.calls.raw' })
    expect(letter?.value).toEqual(records[0]?.value)
    const kinds = (await rig.events()).map(record => eventOf(record).kind)
    expect(kinds).toContain('call')
  })

  test('does not let a forged header take the numbers of whole batches', async () => {
    const rig = await createRig(keys)
    await rig.publish(batchAt(0, call('a')))
    const [forged] = batchAt(1, call('x'))
    if (forged) await rig.publish([{ ...forged, headers: { ...forged.headers, mun_last: '99' } }])
    await rig.publish(batchAt(1, call('b')))
    await rig.work()
    const events = (await rig.events()).map(eventOf)
    expect(events.map(({ kind, source }) => [kind, source.seq])).toEqual([
      ['call', 0],
      ['gap', 99],
      ['call', 1],
    ])
  })

  test('is named by a gap event also by a masker that has seen nothing of the lane but an old duplicate', async () => {
    const rig = await createRig(keys)
    await rig.publish([...batchAt(0, call('a')), ...batchAt(1, call('b')), ...batchAt(2, call('c'))])
    await rig.work()
    await rig.publish([
      ...batchAt(0, call('a')),
      ...batchAt(3, call('x')).map(record => ({ ...record, value: record.value.subarray(1) })),
    ])
    await rig.work()
    const events = (await rig.events()).map(eventOf)
    expect(events.map(({ source }) => source.seq)).toEqual([0, 1, 2, 0, 3])
    expect(events[4]?.gap).toMatchObject({ from_seq: 3, to_seq: 3, claimed: true })
  })
})

test('a whole batch mends what was given up before, however late it comes', async () => {
  const rig = await createRig(keys)
  const spoilt = batchAt(1, call('b')).map(record => ({ ...record, value: record.value.subarray(1) }))
  await rig.publish([...batchAt(0, call('a')), ...spoilt, ...batchAt(2, call('c')), ...batchAt(1, call('b'))])
  await rig.work()
  const events = (await rig.events()).map(eventOf)
  expect(events.map(({ kind, source }) => [kind, source.seq])).toEqual([
    ['call', 0],
    ['gap', 1],
    ['call', 2],
    ['call', 1],
  ])
})

test('a replay of a dead letter mends the gap in a lane of its own', async () => {
  const rig = await createRig(keys)
  const batch = batchAt(0, call('late'))
  await rig.publish([
    ...batchAt(0, call('x')),
    ...batch.map(record => ({ ...record, headers: { ...record.headers, mun_replay: 'ab12' } })),
  ])
  await rig.work()
  expect((await rig.events()).map(({ headers }) => headers['mun_lane'])).toEqual(['web-1/5', 'web-1/5~ab12'])
})

test.each([
  ['that is no JSON', '{"jsonrpc": oops', '{"jsonrpc": oops'],
  ['with numbers spelled oddly', '{"a":1.0,"b":1e2, "a":2}', undefined],
])('keeps a message %s', async (_, text, asString) => {
  const rig = await createRig(keys)
  await rig.publish(batchAt(0, text))
  await rig.work()
  const [record] = await rig.events()
  if (asString === undefined) expect(Buffer.from(record?.value ?? []).toString()).toContain(`"body":${text}`)
  else expect(eventOf(record).request?.body).toBe(asString)
})

test('a message that breaks out of its place becomes a string', async () => {
  const rig = await createRig(keys)
  await rig.publish(batchAt(0, '{}},"tenant":"other","x":{"y":{}'))
  await rig.work()
  const [record] = await rig.events()
  expect(eventOf(record).tenant).toBe('default')
})

test('keeps a masked preview of what does not fit into one record', async () => {
  const rig = await createRig(keys)
  const text = `${'word '.repeat(400_000)}ada.lovelace@example.com`
  await rig.publish(batchAt(0, call(text), answer('ada.lovelace@example.com')))
  await rig.work()
  const [record] = await rig.events()
  const event = eventOf(record)
  expect(record?.value.length).toBeLessThan(900_000)
  expect(event.request).toMatchObject({
    truncated: true,
    digest: createHmac('sha256', digestKey).update(call(text)).digest('hex'),
  })
  expect(JSON.stringify(event)).not.toContain('ada.lovelace')
})

test.each([
  ['a card number', '4111111111111111', '[CREDIT_CARD]'],
  ['a card number with dashes', '4111-1111-1111-1111', '[CREDIT_CARD]'],
  ['a trace id', '4bf92f3577b34da6a3ce929d0e0e4736', '4bf92f3577b34da6a3ce929d0e0e4736'],
  ['a UUID', '7f0b5a52-1111-4222-8333-123456789012', '7f0b5a52-1111-4222-8333-123456789012'],
])('%s in the place of an identifier is treated as what it is', async (_, text, shown) => {
  const rig = await createRig(keys)
  const observation = observationAt(0, { conversation_id: text })
  await rig.publish(sealFrames([frameOf(observation)], { publicText, firstSeq: 0, lastSeq: 0 }))
  await rig.work()
  const [record] = await rig.events()
  expect(eventOf(record).conversation_id).toBe(shown)
})

test('masks what clients and servers put into the envelope', async () => {
  const rig = await createRig(keys)
  const mail = 'ada.lovelace@example.com'
  const observation = observationAt(0, {
    target: `file:///home/${mail}`,
    rpc_id: mail,
    client: { name: mail },
    error: { type: 'rpc', message: mail },
  })
  await rig.publish(sealFrames([frameOf(observation)], { publicText, firstSeq: 0, lastSeq: 0 }))
  await rig.work()
  const [record] = await rig.events()
  expect(`${JSON.stringify(record?.headers)}${Buffer.from(record?.value ?? []).toString()}`).not.toContain(
    'ada.lovelace',
  )
})
