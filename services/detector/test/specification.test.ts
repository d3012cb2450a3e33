import { createSecretKey } from 'node:crypto'
import { expect, test } from 'vitest'
import { createReplay } from '../src/replay.ts'
import { exampleEvents } from '../src/example-events.ts'
import { compilePack, type RulePack } from '../src/sigma/pack.ts'
import { features, runs, type Feature } from './specification.ts'

const key = createSecretKey(Buffer.alloc(32, 3))

function documentOf({ rule }: Feature): string {
  if (rule.startsWith('title:')) return rule
  const detection = rule
    .split('\n')
    .map(line => `  ${line}`)
    .join('\n')
  return `title: t\nid: 8a3b7a0e-3c86-4d53-9f0e-5f1d6d0a7c11\nlogsource: { product: mcp }\ndetection:\n${detection}\n`
}

/** Names of the rules that fire or alert on these events. */
function heard(pack: RulePack, events: readonly unknown[]): readonly string[] {
  const replay = createReplay(pack, key)
  return exampleEvents({ events }).flatMap(event => {
    const { fired, alerts } = replay.next(event)
    return [
      ...fired.map(({ rule }) => `match ${rule.name}`),
      ...alerts.map(alert => alert.finding_info.analytic.name ?? ''),
    ]
  })
}

const supported = features.filter(({ isSupported }) => isSupported)

test.each(supported)('$area: $feature', feature => {
  const pack = compilePack([{ name: 'r', text: documentOf(feature) }])
  expect(heard(pack, [feature.fires])).toContain('match r')
  expect(heard(pack, [feature.quiet])).not.toContain('match r')
})

const refused = features.filter(({ isSupported }) => !isSupported)

test.each(refused)('refused: $feature', feature => {
  expect(() => compilePack([{ name: 'r', text: documentOf(feature) }])).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID' }),
  )
})

test.each(runs)('$area: $feature', ({ pack: text, rule, fires, quiet }) => {
  const pack = compilePack([{ name: 'file', text }])
  const name = pack.rules.find(({ names }) => names.includes(rule))?.name
  expect(heard(pack, fires)).toContain(name)
  expect(heard(pack, quiet)).not.toContain(name)
})

function tableOf(rows: readonly (readonly [string, string, string])[]): string {
  const head = ['part', 'feature', 'supported'] as const
  const all = [head, ...rows]
  const widths = [0, 1, 2].map(column => Math.max(...all.map(row => (row[column] ?? '').length)))
  const line = (cells: readonly string[], fill: string): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0, fill)).join(' | ')} |`
  return [line(head, ' '), line(['', '', ''], '-'), ...rows.map(row => line(row, ' '))].join('\n')
}

test('the table of what is supported says what these tests show', async () => {
  const rows = [
    ...features.map(
      ({ area, feature, isSupported }) =>
        [area, feature, isSupported ? 'yes' : 'no, refused at load'] as const,
    ),
    ...runs.map(({ area, feature }) => [area, feature, 'yes'] as const),
  ].map(([area, feature, verdict]): readonly [string, string, string] => [
    area,
    feature.replaceAll('|', '\\|'),
    verdict,
  ])
  const text = `# Sigma 2.1: what is supported\n\nWritten by \`test/specification.test.ts\` (\`npx vitest run services/detector -u\`): each line is a rule that was tried, on an event it must match and on one it must not.\n\n${tableOf(rows)}\n`
  await expect(text).toMatchFileSnapshot('../SIGMA.md')
})
