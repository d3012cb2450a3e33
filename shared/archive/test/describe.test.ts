import { topic } from '@muniment/schema'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeRecord } from '../src/format/describe.ts'
import { createPlaces, findPlaces } from '../src/format/places.ts'
import { alert, event, gapEvent, heartbeat } from './events.ts'

/** The values of `paths` that are found, as JSON has them. */
function find(bytes: Buffer, paths: readonly string[]): Record<string, unknown> | undefined {
  const places = createPlaces(paths)
  const spans = new Int32Array(places.stride)
  if (!findPlaces(bytes, places, { spans, base: 0 })) return undefined
  const found: Record<string, unknown> = {}
  for (const path of paths) {
    const at = 2 * places.numberOf(path)
    if (spans[at] !== -1) found[path] = JSON.parse(bytes.toString('utf8', spans[at], spans[at + 1]))
  }
  return found
}

/** The same by parsing the whole. */
function pick(bytes: Buffer, paths: readonly string[]): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  for (const path of paths) {
    let value: unknown = JSON.parse(bytes.toString())
    for (const name of path.split('.')) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) value = undefined
      else value = Object.entries(value).find(([key]) => key === name)?.[1]
    }
    if (value !== undefined) found[path] = value
  }
  return found
}

describe('a scan for single fields', () => {
  const paths = ['a', 'bc', 'é', 'o.a', 'o.o.bc', 'p.a']

  test('finds in any JSON object what parsing finds', () => {
    const key = fc.oneof(fc.constantFrom('a', 'bc', 'é', 'b', '', 'o', 'p'), fc.string())
    const inner = fc.dictionary(key, fc.oneof(fc.jsonValue(), fc.dictionary(key, fc.jsonValue())), {
      maxKeys: 8,
    })
    const object = fc.dictionary(key, fc.oneof(fc.jsonValue(), inner), { maxKeys: 8 })
    fc.assert(
      fc.property(object, fc.constantFrom(0, 1, '\t'), (value, space) => {
        const bytes = Buffer.from(JSON.stringify(value, null, space))
        expect(find(bytes, paths)).toEqual(pick(bytes, paths))
      }),
    )
  })

  test.each([
    ['{"a":1,"a":2}', { a: 2 }],
    ['{"o":{"a":1,"o":{"bc":2}},"o":{"a":3}}', { 'o.a': 3 }],
    ['{"p":{"a":1},"p":4}', {}],
    [' {"a" : 1 }', { a: 1 }],
    ['{"o":{"a":1}', undefined],
    ['{"o":{"a":1}}', { 'o.a': 1 }],
  ])('takes of repeated fields the last: %s', (text, expected) => {
    expect(find(Buffer.from(text), paths)).toEqual(expected)
  })

  test('ends on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), noise => {
        const bytes = Buffer.from(noise)
        describeRecord(topic.events, bytes)
        describeRecord(topic.events, Buffer.concat([Buffer.from('{"'), bytes]))
      }),
    )
  })

  test.each(['', '[]', 'null', '{"a":1', '{"a"', '{"a":', '{', '{"a":"}', '"{}"'])(
    'sees no object in %j',
    text => {
      expect(find(Buffer.from(text), paths)).toBeUndefined()
    },
  )
})

const nothing = { tenant: 'default', place: { kind: 'none' } }

test.each([
  [
    'an event',
    event({ seq: 3 }),
    { tenant: 'acme', place: { kind: 'event', lane: 'server-1/0', seq: 3, endsLane: false } },
  ],
  ['a gap', gapEvent({ from: 2, to: 4 }), { place: { kind: 'gap', fromSeq: 2, seq: 4, isClaim: false } }],
  [
    'a gap that is only claimed',
    gapEvent({ from: 2, to: 4, claimed: true }),
    { place: { kind: 'gap', fromSeq: 2, seq: 4, isClaim: true } },
  ],
  ['a heartbeat', heartbeat({ seq: 4, timeMs: 1000 }), { timeMs: 1000, place: { kind: 'alive', seq: 4 } }],
  [
    'the end of a lane',
    Buffer.from('{"kind":"stream","lane":{"state":"end"},"source":{"instance":"a","epoch":0,"seq":9}}'),
    { place: { kind: 'event', endsLane: true } },
  ],
  [
    'fields that only the payload has',
    Buffer.from('{"request":{"body":{"tenant":"evil","source":{"instance":"x","epoch":0,"seq":0}}}}'),
    nothing,
  ],
  ['a tenant that cannot be one', Buffer.from('{"tenant":"../../x"}'), nothing],
  ['a number that cannot be one', Buffer.from('{"source":{"instance":"a","epoch":0,"seq":-1}}'), nothing],
  [
    'a gap that runs backwards',
    Buffer.from('{"kind":"gap","gap":{"from_seq":9},"source":{"instance":"a","epoch":0,"seq":1}}'),
    { place: { kind: 'event', seq: 1 } },
  ],
  ['bytes that are no JSON', Buffer.from([0xff, 0x00]), nothing],
])('%s is described', (_name, bytes, expected) => {
  expect(describeRecord(topic.events, bytes)).toMatchObject(expected)
})

test('an alert belongs to its tenant and is known by its id', () => {
  expect(describeRecord(topic.alerts, alert('x'))).toMatchObject({
    tenant: 'acme',
    place: { kind: 'none', id: 'x:1:1' },
  })
  expect(describeRecord(topic.control, Buffer.from('{"scope":"tenant","value":"acme"}'))).toMatchObject({
    tenant: 'acme',
  })
  expect(describeRecord('other', alert('x'))).toEqual({
    tenant: 'default',
    timeMs: undefined,
    place: { kind: 'none' },
  })
})
