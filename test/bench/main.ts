// npm run bench -- [suite …] [--json]: runs suites and prints their figures; without a name, all of them.
import { writeSync } from 'node:fs'
import type { Figure } from './figure.ts'

const suites: Readonly<Record<string, () => Promise<{ readonly run: () => Promise<readonly Figure[]> }>>> = {
  intercept: async () => import('./intercept.ts'),
  'intercept-rivals': async () => import('./intercept-rivals.ts'),
  wrap: async () => import('./wrap.ts'),
  proxy: async () => import('./proxy.ts'),
  pii: async () => import('./pii.ts'),
  masker: async () => import('./masker.ts'),
  detect: async () => import('./detect.ts'),
  fleet: async () => import('./fleet.ts'),
  archive: async () => import('./archive.ts'),
  query: async () => import('./query.ts'),
  restart: async () => import('./restart.ts'),
  'group-by': async () => import('./group-by.ts'),
  pipeline: async () => import('./pipeline.ts'),
  control: async () => import('./control.ts'),
  guard: async () => import('./guard.ts'),
}

function print(line: string): void {
  writeSync(1, `${line}\n`)
}

function round(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}

function table(suite: string, figures: readonly Figure[]): void {
  print(`\n${suite}`)
  for (const { name, value, unit, reference, ratio } of figures) {
    const beside =
      ratio === undefined
        ? ''
        : `  ${ratio.toFixed(2)}× ${reference === undefined ? '' : `of ${round(reference)}`}`
    print(`  ${name.padEnd(44)} ${round(value).padStart(12)} ${unit}${beside}`)
  }
}

const args = process.argv.slice(2)
const isJson = args.includes('--json')
const names = args.filter(arg => !arg.startsWith('--'))
const unknown = names.filter(name => suites[name] === undefined)
if (unknown.length > 0) {
  print(`No suite ${unknown.join(', ')}; there is: ${Object.keys(suites).join(', ')}`)
  process.exit(2)
}
for (const suite of names.length > 0 ? names : Object.keys(suites)) {
  const loaded = await suites[suite]?.()
  if (!loaded) continue
  const figures = await loaded.run()
  if (isJson) print(JSON.stringify({ suite, figures }))
  else table(suite, figures)
}
process.exit(0)
