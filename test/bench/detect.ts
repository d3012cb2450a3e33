import { createSecretKey } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { openBus, type OutgoingRecord } from '@muniment/bus'
import { classify, createAnomalyDetector, createDetector, loadRules, type RulePack } from '@muniment/detector'
import { createLogger } from '@muniment/runtime'
import { topic } from '@muniment/schema'
import { openState } from '@muniment/state'

/** One measured value; `reference` is the bar it is held against and `ratio` how it compares, 1 or more = reached. */
export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly reference?: number
  readonly ratio?: number
}

const corpus = new URL('../../../shared/data/abuse/', import.meta.url)
const kinds = ['tool_args', 'tool_description', 'tool_result', 'prompt'] as const

interface Row {
  readonly kind: string
  readonly text: string
  readonly label: string
  readonly tool?: string
  readonly arguments?: unknown
}

function cpuSeconds(work: () => void): number {
  const start = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1e6
}

async function cpuSecondsOf(work: () => Promise<void>): Promise<number> {
  const start = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1e6
}

/** A generator of numbers in 0..1, the same in every run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7f_ff_ff_ff
    return state / 0x7f_ff_ff_ff
  }
}

function pick<T>(random: () => number, list: readonly [T, ...T[]]): T {
  return list[Math.floor(random() * list.length)] ?? list[0]
}

const sentences: readonly [string, ...string[]] = [
  'The quarterly figures were reviewed on Tuesday and the team agreed on the next steps. ',
  'Our office in Ghent moves to a new building in spring, close to the station. ',
  'Attached you will find the revised offer with all items that we discussed. ',
  'The error disappeared after the cache was cleared and the server restarted. ',
  'Customers from abroad often ask whether the device works with their power supply. ',
  'Temperature 14.2, humidity 71 %, wind from the west at 12 km/h, no rain expected. ',
  'Function loadConfig reads the file, checks every field and returns an object. ',
  'She visited three museums, bought two books and took the late train home. ',
]

function prose(random: () => number, chars: number): string {
  let text = ''
  while (text.length < chars) text += pick(random, sentences)
  return text
}

/** Events as the masker publishes them: mostly calls with small arguments and results of about half a kilobyte, one in fifty an attack. */
function mixedEvents(count: number): readonly OutgoingRecord[] {
  const random = seeded(42)
  const samples: readonly [unknown, ...unknown[]] = [
    { path: 'src/app/main.ts', limit: 40 },
    { query: 'SELECT id, total FROM orders WHERE customer = 17 ORDER BY id', database: 'shop' },
    { url: 'https://example.org/articles/2026/11?page=2', timeout_ms: 5000 },
    { command: 'npm ci && npm test -- --reporter=dot' },
    { to: 'team@example.org', subject: 'Minutes', body: prose(random, 400) },
    { city: 'Ghent', days: 3, units: 'metric' },
  ]
  const attacks: readonly [unknown, ...unknown[]] = [
    { path: '../../../../etc/passwd' },
    { id: "1' OR '1'='1' --" },
    { url: 'http://169.254.169.254/latest/meta-data/' },
  ]
  return Array.from({ length: count }, (_, seq) => {
    const args = random() < 0.02 ? pick(random, attacks) : pick(random, samples)
    const lane = `bench-${seq % 8}/0`
    const number = Math.floor(seq / 8)
    const request = {
      jsonrpc: '2.0',
      id: seq,
      method: 'tools/call',
      params: { name: 'tool', arguments: args },
    }
    const response = {
      jsonrpc: '2.0',
      id: seq,
      result: { content: [{ type: 'text', text: prose(random, 450) }] },
    }
    const event = {
      id: `019b0000-0000-7000-8000-${String(seq).padStart(12, '0')}`,
      time: new Date(1_770_000_000_000 + seq * 20).toISOString(),
      duration_ms: 12,
      tenant: 'default',
      kind: 'call',
      outcome: 'ok',
      direction: 'client_to_server',
      transport: 'stdio',
      method: 'tools/call',
      target: `tool_${seq % 9}`,
      principal: { id: `user-${seq % 200}`, method: 'api_key' },
      server: { name: 'bench' },
      request: { body: request, digest: '0'.repeat(64), size_bytes: 200 },
      response: { body: response, digest: '0'.repeat(64), size_bytes: 600 },
      pii: { findings: [], version: '1' },
      nonce: '0'.repeat(32),
      source: { instance: `bench-${seq % 8}`, epoch: 0, seq: number, version: '0.1.0' },
    }
    const headers = {
      mun_lane: lane,
      mun_seq: String(number),
      mun_from: String(number),
      mun_tenant: 'default',
    }
    return { key: lane, value: Buffer.from(JSON.stringify(event)), headers }
  })
}

async function untilThrough(
  bus: Awaited<ReturnType<typeof openBus>>,
  name: string,
  group: string,
): Promise<void> {
  for (;;) {
    const states = await bus.describe(name, group)
    if (states.every(each => (each.committedOffset ?? each.firstOffset) >= each.nextOffset)) return
    await new Promise(resolve => {
      setTimeout(resolve, 5)
    })
  }
}

/** Events per CPU second of each stage, on the memory bus, its cost included. */
async function stageRates(
  count: number,
  pack?: RulePack,
): Promise<readonly [content: number, behaviour: number]> {
  await using bus = await openBus({ kind: 'memory' })
  await using state = await openState({ kind: 'memory' })
  await bus.createTopics()
  const key = createSecretKey(Buffer.alloc(32, 1))
  const log = createLogger({ name: 'bench', level: 'silent' })
  const detector = createDetector({
    bus,
    state,
    log,
    now: Date.now,
    evidenceKey: () => Promise.resolve(key),
    ...(pack && { pack }),
  })
  await bus.publish(topic.events, mixedEvents(count))
  const stop = new AbortController()
  let running: Promise<void> = Promise.resolve()
  const content = await cpuSecondsOf(async () => {
    running = detector.content.run(stop.signal)
    await untilThrough(bus, topic.events, 'muniment.detector.content')
  })
  const behaviour = await cpuSecondsOf(async () => {
    running = Promise.all([running, detector.behaviour.run(stop.signal)]).then(() => undefined)
    await untilThrough(bus, topic.signals, 'muniment.detector.behaviour')
  })
  stop.abort()
  await running
  return [count / content, count / behaviour]
}

/** The shipped pack's rules on single events again and again under other names, until there are 500. */
function manyRules(): RulePack {
  const shipped = loadRules()
  const plain = shipped.rules.filter(rule => rule.behaviour === undefined)
  const more = Array.from({ length: 500 - shipped.rules.length }, (_, at) => plain[at % plain.length])
  const copies = more.flatMap((rule, at) =>
    rule === undefined ? [] : [{ ...rule, name: `${rule.name}-${at}` }],
  )
  const rules = [...shipped.rules, ...copies]
  return { ...shipped, rules, byName: new Map(rules.map(rule => [rule.name, rule])) }
}

/** Searches for slow inputs: texts made of few words that the rules themselves look for, at the largest size that is looked at. */
function worstEventMs(rounds: number): number {
  const random = seeded(7)
  const seeds: readonly [string, ...string[]] = [
    'ignore',
    'all',
    'previous',
    'instructions',
    'do',
    'not',
    'tell',
    'the',
    'user',
    'send',
    'read',
    '~/.ssh/id_rsa',
    'cat',
    'write',
    'exploit',
    'you',
    'are',
    'now',
    "'",
    '" or ',
    'union',
    'select',
    'sleep(',
    '((',
    '..',
    '%2e%2e%2f',
    '/',
    '<a onx=',
    '<script',
    '{{',
    '${',
    '&#x41;',
    '%25',
    'https://a.b/?c=',
    'AAAA',
    '\\x41',
    'before',
    'using',
    'this',
    'tool',
    'response',
    'your',
    'code',
    '\u{200b}',
    'ы',
    ';',
    '|',
    '$(',
    '`',
    'password=',
  ]
  const separators: readonly [string, ...string[]] = [' ', '', '\n', '.', '=']
  let worst = 0
  for (let round = 0; round < rounds; round += 1) {
    const few = Array.from({ length: 1 + Math.floor(random() * 4) }, () => pick(random, seeds))
    const separator = pick(random, separators)
    let text = ''
    while (text.length < 65_536) text += (few[Math.floor(random() * few.length)] ?? '') + separator
    for (const kind of kinds) {
      const event = { kind, text, arguments: { value: text } }
      let least = Infinity
      for (let again = 0; again < 3 && least > 1; again += 1)
        least = Math.min(least, cpuSeconds(() => classify(event)) * 1000)
      worst = Math.max(worst, least)
    }
  }
  return worst
}

function corpusRows(): readonly Row[] {
  const lines = kinds.flatMap(kind => readFileSync(new URL(`${kind}.jsonl`, corpus), 'utf8').split('\n'))
  return lines.filter(line => line !== '').map((line): Row => JSON.parse(line))
}

function corpusRate(): number {
  const rows = corpusRows()
  const pass = (): void => {
    for (const row of rows) classify(row)
  }
  pass()
  return rows.length / cpuSeconds(pass)
}

function anomalyRate(points: number): number {
  const random = seeded(3)
  const detector = createAnomalyDetector()
  const seconds = cpuSeconds(() => {
    for (let at = 0; at < points; at += 1) detector.next(at * 300_000, random())
  })
  return points / seconds
}

/** Events per CPU second when nothing is done but parsing them: what this machine can do at this moment. */
function parseRate(count: number): number {
  const texts = mixedEvents(count).map(({ value }) => Buffer.from(value))
  const pass = (): void => {
    for (const text of texts) JSON.parse(text.toString())
  }
  pass()
  return count / cpuSeconds(pass)
}

function atLeast(name: string, value: number, [unit, reference]: readonly [string, number]): Figure {
  return { name, value: Math.round(value), unit, reference, ratio: value / reference }
}

/** Measures the detector: speeds per CPU second, and the slowest event that a search finds. */
export async function run(): Promise<Figure[]> {
  // A worker runs for days: what counts is its speed once the rules are compiled.
  await stageRates(20_000)
  await stageRates(20_000)
  const [content, behaviour] = await stageRates(40_000)
  const [many] = await stageRates(40_000, manyRules())
  const worst = worstEventMs(60)
  const figures = [
    atLeast('content_events_per_cpu_second', content, ['1/s', 40_000]),
    atLeast('content_events_per_cpu_second_500_rules', many, ['1/s', 20_000]),
    { name: 'content_cost_in_json_parses', value: parseRate(5_000) / content, unit: 'x' },
    atLeast('behaviour_signals_per_cpu_second', behaviour, ['1/s', 40_000]),
    { name: 'worst_event_ms', value: worst, unit: 'ms', reference: 10, ratio: 10 / worst },
    atLeast('anomaly_points_per_cpu_second', anomalyRate(500_000), ['1/s', 1_000_000]),
  ]
  if (existsSync(corpus))
    figures.push(atLeast('classify_corpus_events_per_cpu_second', corpusRate(), ['1/s', 40_000]))
  return figures
}
