import { topic } from '@muniment/schema'
import type { Place } from './lanes.ts'
import { asBuffer, utcOf, wholeOf, type Slice } from './numbers.ts'
import { createPlaces, findPlaces, type Places } from './places.ts'

/** What the archive needs to know of a record; everything else is for queries. */
export interface Description {
  readonly tenant: string
  /** When it happened, by the producer's clock. */
  readonly timeMs: number | undefined
  readonly place: Place
}

const defaultTenant = 'default'
const tenantPattern = /^[a-z0-9][a-z0-9_.-]{0,62}$/u
const nowhere: Place = { kind: 'none' }
const unknown: Description = { tenant: defaultTenant, timeMs: undefined, place: nowhere }

function isSeq(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function tenantOf(value: unknown): string {
  return typeof value === 'string' && tenantPattern.test(value) ? value : defaultTenant
}

function timeOf(value: unknown): number | undefined {
  const timeMs = typeof value === 'string' ? Date.parse(value) : value
  return isSeq(timeMs) ? timeMs : undefined
}

/** The wanted values of one record. */
interface Values {
  readonly text: (path: string) => string | undefined
  /** A whole number that is not negative. */
  readonly seq: (path: string) => number | undefined
  readonly time: (path: string) => number | undefined
  /** Throws where what stands there is no JSON. */
  readonly json: (path: string) => unknown
}

function laneName({ text, seq }: Values): string | undefined {
  const instance = text('source.instance')
  const epoch = seq('source.epoch')
  return instance === undefined || epoch === undefined ? undefined : `${instance}/${epoch}`
}

function gapOf(
  { text, seq, json }: Values,
  last: number,
): { readonly fromSeq: number; readonly isClaim: boolean } | undefined {
  if (text('kind') !== 'gap') return undefined
  const from = seq('gap.from_seq')
  return from !== undefined && from <= last
    ? { fromSeq: from, isClaim: json('gap.claimed') === true }
    : undefined
}

function eventPlace(event: Values, timeMs: number | undefined): Place {
  const lane = laneName(event)
  const seq = event.seq('source.seq')
  if (lane === undefined || seq === undefined) return nowhere
  const state = event.text('lane.state')
  if (state === 'alive' && event.text('kind') === 'heartbeat')
    return { kind: 'alive', lane, seq, timeMs: timeMs ?? 0 }
  const gap = gapOf(event, seq)
  if (gap !== undefined) return { kind: 'gap', lane, seq, ...gap }
  return { kind: 'event', lane, seq, endsLane: state === 'end' }
}

function describeEvent(event: Values): Description {
  const timeMs = event.time('time')
  return { tenant: tenantOf(event.text('tenant')), timeMs, place: eventPlace(event, timeMs) }
}

function describeAlert({ text, time, json }: Values): Description {
  const uid = text('metadata.uid')
  // An update of an alert is another record; the same update computed twice is not.
  const id = uid === undefined ? undefined : `${uid}:${String(json('activity_id'))}:${String(json('count'))}`
  return {
    tenant: tenantOf(text('metadata.tenant_uid')),
    timeMs: time('time'),
    place: id === undefined ? nowhere : { kind: 'none', id },
  }
}

function describeDecision({ text, time }: Values): Description {
  const tenant = tenantOf(text(text('scope') === 'tenant' ? 'value' : 'tenant'))
  return { tenant, timeMs: time('issued'), place: nowhere }
}

interface Describer {
  readonly paths: readonly string[]
  readonly describe: (values: Values) => Description
}

const describers: Readonly<Record<string, Describer>> = {
  [topic.events]: {
    paths: [
      'tenant',
      'time',
      'kind',
      'source.instance',
      'source.epoch',
      'source.seq',
      'lane.state',
      'gap.from_seq',
      'gap.claimed',
    ],
    describe: describeEvent,
  },
  [topic.alerts]: {
    paths: ['metadata.uid', 'metadata.tenant_uid', 'time', 'activity_id', 'count'],
    describe: describeAlert,
  },
  [topic.control]: { paths: ['scope', 'value', 'tenant', 'issued'], describe: describeDecision },
}
/** One wanted value of many records. */
interface Wanted {
  /** Where its start stands after a record's first number. */
  readonly at: number
  /** What was read last, since most records say what others said. */
  bytes: Buffer
  text: string
}

interface Current extends Slice {
  spans: Int32Array
  base: number
}

const [backslash, quote, firstPrintable, lastPrintable] = [0x5c, 0x22, 0x20, 0x7e]

/** Whether a string of JSON means just the signs that stand between its quotes. */
function isPlainText({ bytes, start, end }: Slice): boolean {
  if (end - start < 2 || bytes[start] !== quote || bytes[end - 1] !== quote) return false
  for (let at = start + 1; at < end - 1; at++) {
    const byte = bytes[at] ?? 0
    if (byte < firstPrintable || byte > lastPrintable || byte === backslash) return false
  }
  return true
}

function isLast({ bytes: last }: Wanted, { bytes, start, end }: Slice): boolean {
  if (last.length !== end - start) return false
  for (let at = 0; at < last.length; at++) if (bytes[start + at] !== last[at]) return false
  return true
}

function jsonOf({ bytes, start, end }: Slice): unknown {
  return JSON.parse(bytes.toString('utf8', start, end))
}

function textOf(current: Current, wanted: Wanted): string | undefined {
  if (isLast(wanted, current)) return wanted.text
  const { bytes, start, end } = current
  if (!isPlainText(current)) {
    const value = jsonOf(current)
    return typeof value === 'string' ? value : undefined
  }
  wanted.bytes = Buffer.from(bytes.subarray(start, end))
  wanted.text = bytes.toString('latin1', start + 1, end - 1)
  return wanted.text
}

function valuesOf(places: Places, paths: readonly string[], current: Current): Values {
  const wanted = new Map(
    paths.map(path => [path, { at: 2 * places.numberOf(path), bytes: Buffer.alloc(0), text: '' }] as const),
  )
  /** Turns to a value, if the record has it. */
  const turn = (path: string): Wanted | undefined => {
    const value = wanted.get(path)
    if (value === undefined) return undefined
    current.start = current.spans[current.base + value.at] ?? -1
    current.end = current.spans[current.base + value.at + 1] ?? -1
    return current.start === -1 ? undefined : value
  }
  const json = (path: string): unknown => (turn(path) === undefined ? undefined : jsonOf(current))
  return {
    json,
    text(path) {
      const value = turn(path)
      return value === undefined ? undefined : textOf(current, value)
    },
    seq(path) {
      const value = turn(path) === undefined ? NaN : wholeOf(current)
      return value >= 0 ? value : undefined
    },
    time(path) {
      if (turn(path) === undefined) return undefined
      const utc = utcOf(current)
      return timeOf(Number.isNaN(utc) ? jsonOf(current) : Math.floor(utc / 1000))
    },
  }
}

/** Where what is wanted of a record stands; see {@link findPlaces}. */
export interface Spans {
  readonly spans: Int32Array
  readonly base: number
}

/** Looks at each record of a topic once. */
export interface Scanner {
  readonly places: Places
  /** Notes where the wanted values stand, and says what the archive needs to know. */
  readonly scan: (value: Uint8Array, target: Spans) => Description
}

/** A scanner that finds the values at `paths` too. */
export function createScanner(topicName: string, paths: readonly string[] = []): Scanner {
  const describer = describers[topicName]
  const places = createPlaces([...paths, ...(describer?.paths ?? [])])
  const current: Current = { bytes: Buffer.alloc(0), start: 0, end: 0, spans: new Int32Array(0), base: 0 }
  const values = valuesOf(places, describer?.paths ?? [], current)
  return {
    places,
    scan(value, { spans, base }) {
      const bytes = asBuffer(value)
      if (!findPlaces(bytes, places, { spans, base }) || describer === undefined) return unknown
      current.bytes = bytes
      current.spans = spans
      current.base = base
      try {
        return describer.describe(values)
      } catch {
        return unknown
      }
    },
  }
}

const scanners = new Map<string, { readonly scanner: Scanner; readonly target: Spans }>()

/** What a record's bytes say; a malformed record belongs to tenant `default` and to no lane. */
export function describeRecord(topicName: string, value: Uint8Array): Description {
  let known = scanners.get(topicName)
  if (known === undefined) {
    const scanner = createScanner(topicName)
    known = { scanner, target: { spans: new Int32Array(scanner.places.stride), base: 0 } }
    if (topicName in describers) scanners.set(topicName, known)
  }
  return known.scanner.scan(value, known.target)
}
