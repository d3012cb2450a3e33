import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { createSecretKey, type KeyObject } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '@muniment/runtime'
import { topic, type Alert } from '@muniment/schema'
import { expect, test, vi } from 'vitest'
import { createThreshold } from '../src/classifier/threshold.ts'
import {
  compilePack,
  createClassifierStage,
  loadRules,
  openCommandClassifier,
  type Classifier,
  type RulePack,
} from '../src/index.ts'
import { alertsOn, call, contents, drain, openLab, publish, type Lab } from './fleet.ts'

const log = createLogger({ name: 'test', level: 'silent' })

/** A program that finds `swordfish` suspicious, is silent about `hang`, dies of `die`, and talks nonsense about `lie`. */
const program = `
const { createInterface } = require('node:readline')
createInterface({ input: process.stdin }).on('line', line => {
  const { id, text } = JSON.parse(line)
  if (text.includes('environment')) return console.log(JSON.stringify({ id, score: Object.keys(process.env).length === 0 ? 0 : 1 }))
  if (text.includes('hang')) return
  if (text.includes('die')) process.exit(3)
  if (text.includes('lie')) return console.log('no JSON\\n' + JSON.stringify({ id, score: 7 }))
  console.log(JSON.stringify({ id, score: text.includes('swordfish') ? 0.99 : 0.1 }))
})`

async function withProgram(look: (classifier: Classifier) => Promise<void>): Promise<void> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'muniment-classifier-'))
  const file = join(folder.path, 'program.cjs')
  await writeFile(file, program)
  const command = [process.execPath, file] as const
  const options = { deadlineMs: 5_000, restartMs: 0, log, now: Date.now }
  await using classifier = openCommandClassifier({ ...options, command: [...command] })
  await look(classifier)
}

test('a program is asked, and given nothing of the environment', async () => {
  await withProgram(async ({ score }) => {
    const texts = ['swordfish', 'good morning', 'environment'].map(
      text => ({ kind: 'result', text }) as const,
    )
    expect(await Promise.all(texts.map(score))).toEqual([0.99, 0.1, 0])
  })
})

test('one that ends answers nothing, and is started again', async () => {
  await withProgram(async ({ score }) => {
    expect(await score({ kind: 'result', text: 'die' })).toBeUndefined()
    expect(await score({ kind: 'result', text: 'swordfish' })).toBe(0.99)
  })
})

test.each([
  ['hangs', 'hang'],
  ['answers with what is no score', 'lie'],
])('one that %s is not waited for, and ended after some texts', async (_, text) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'muniment-classifier-'))
  const file = join(folder.path, 'program.cjs')
  await writeFile(file, program)
  const options = { deadlineMs: 250, restartMs: 3_600_000, log, now: Date.now }
  await using classifier = openCommandClassifier({ ...options, command: [process.execPath, file] })
  for (let at = 0; at < 8; at += 1) expect(await classifier.score({ kind: 'result', text })).toBeUndefined()
  // It has been ended, and may not start for an hour.
  expect(await classifier.score({ kind: 'result', text: 'swordfish' })).toBeUndefined()
})

test('a program that is not there is no reason to stop', async () => {
  const command: [string] = ['/no/such/program']
  await using classifier = openCommandClassifier({
    command,
    deadlineMs: 5_000,
    restartMs: 0,
    log,
    now: Date.now,
  })
  expect(await classifier.score({ kind: 'result', text: 'swordfish' })).toBeUndefined()
})

test('what is usual is learnt here: one ordinary text in a thousand lies above the threshold', () => {
  const threshold = createThreshold()
  for (let at = 0; at < 999; at += 1) threshold.learn(0.4)
  expect(threshold.limit()).toBeUndefined()
  for (let at = 0; at < 9_000; at += 1) threshold.learn(at % 2_000 === 0 ? 0.9 : 0.4)
  expect(threshold.limit()).toBeCloseTo(0.401)
  for (let at = 0; at < 100; at += 1) threshold.learn(0.8)
  expect(threshold.limit()).toBeCloseTo(0.801)
})

const weak = `title: Fish
id: 7d0f3a52-66a2-4b9e-9d38-4f1f4bb1a001
logsource: { product: mcp, category: call }
detection: { selection: { tool: fish }, condition: selection }
level: medium
muniment:
  score: SCORE
  dedup: { keys: [principal], period: 1h }
  tests: { must_fire: [{ events: [{ tool: fish }] }], must_not_fire: [{ events: [{ tool: bird }] }] }
`

function packOf(score: string): RulePack {
  return compilePack([{ name: 'fish', text: weak.replace('SCORE', score) }])
}

/** The rules about content alone: a thousand calls within minutes are worth other alerts. */
const shipped: RulePack = (() => {
  const pack = loadRules()
  return { ...pack, rules: pack.rules.filter(({ behaviour }) => behaviour === undefined), links: [] }
})()

const swordfish: Classifier = {
  score: ({ text }) => Promise.resolve(text.includes('swordfish') ? 0.99 : 0.1),
  [Symbol.asyncDispose]: () => Promise.resolve(),
}

function evidenceKey(): Promise<KeyObject> {
  return Promise.resolve(createSecretKey(Buffer.alloc(32, 7)))
}

/** What the classifier's stage publishes of a thousand ordinary calls and two after them, and the alerts that come of all. */
async function story(
  lab: Lab,
  options: { readonly mode: 'shadow' | 'on'; readonly pack: RulePack; readonly ordinary?: number },
): Promise<{ readonly raised: number; readonly alerts: readonly Alert[] }> {
  const { mode, pack, ordinary = 1_000 } = options
  const quiet = Array.from({ length: ordinary }, (_, seq) => call(seq, 'bird', { text: `hello ${seq}` }))
  const bird = call(ordinary, 'bird', { text: 'swordfish' })
  const fish = call(ordinary + 1, 'fish', { title: '<script>swordfish()' })
  await publish(lab.bus, [...quiet, bird, fish])
  await drain(lab, { pack })
  const before = (await contents(lab.bus, topic.signals)).length
  const stop = new AbortController()
  const { bus } = lab
  const stage = createClassifierStage({
    bus,
    classifier: swordfish,
    mode,
    rules: () => pack,
    evidenceKey,
    log,
  })
  const running = stage.run(stop.signal)
  await vi.waitFor(
    async () => {
      const states = await bus.describe(topic.events, 'muniment.detector.classifier')
      expect(states.every(each => (each.committedOffset ?? each.firstOffset) === each.nextOffset)).toBe(true)
    },
    { timeout: 60_000, interval: 5 },
  )
  stop.abort()
  await running
  const raised = (await contents(bus, topic.signals)).length - before
  await drain(lab, { pack })
  return { raised, alerts: await alertsOn(bus) }
}

test.each([
  ['shadow raises nothing', { mode: 'shadow', pack: packOf('0.3') }, 0],
  ['on raises a finding too weak alone', { mode: 'on', pack: packOf('0.3') }, 1],
  ['on raises nothing that is far too weak', { mode: 'on', pack: packOf('0.2') }, 0],
  ['on raises what shipped rules find too weak', { mode: 'on', pack: shipped }, 1],
  ['shadow leaves it at that', { mode: 'shadow', pack: shipped }, 0],
  ['on raises nothing while it learns', { mode: 'on', pack: packOf('0.3'), ordinary: 900 }, 0],
] as const)(
  '%s, and never what no rule has found',
  async (_, options, count) => {
    await using lab = await openLab()
    const { raised, alerts } = await story(lab, options)
    expect(raised).toBe(count)
    const rules = alerts.map(({ finding_info: { analytic } }) => analytic.name)
    const name = options.pack === shipped ? 'markup-injection' : 'fish'
    expect(rules).toEqual(Array.from({ length: count }, () => name))
    for (const { message, confidence_score: confidence } of alerts) {
      expect(message).toContain('the classifier of this deployment agrees')
      expect(confidence).toBeLessThanOrEqual(55)
    }
  },
  120_000,
)

test('a record at which a rule fails is passed over, for the content stage puts it aside', async () => {
  await using lab = await openLab()
  const plain = packOf('0.3')
  const rules = plain.rules.map(each => ({
    ...each,
    matches: (facts: Parameters<typeof each.matches>[0]): boolean => {
      if (!each.matches(facts)) return false
      throw new TypeError('cannot read it')
    },
  }))
  await expect(story(lab, { mode: 'on', pack: { ...plain, rules }, ordinary: 10 })).resolves.toMatchObject({
    raised: 0,
  })
}, 120_000)
