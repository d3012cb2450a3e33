// Which payloads the guard refuses by what a parameter is for, and which ordinary arguments, of the labelled corpus; nothing where that is not
// beside this checkout. The half that is here is never fitted.
import { inspectArgument } from '@muniment/detector'
import { existsSync, readFileSync } from 'node:fs'
import type { Figure } from './figure.ts'

const corpus = new URL('../../../shared/data/abuse/tool_args.jsonl', import.meta.url)
const classes = ['sqli', 'nosqli', 'command_injection', 'ssti', 'path_traversal', 'ssrf']
const ordinary = new Set(['shell_command', 'sql', 'path', 'url'])

interface Row {
  readonly label: string
  readonly class: string
  readonly source: string
  readonly text: string
  readonly arguments?: unknown
}

function isPayload(value: unknown, name = 'value'): boolean {
  if (typeof value === 'string') return inspectArgument(name, value) !== undefined
  if (Array.isArray(value)) return value.some(one => isPayload(one, name))
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([inner, one]) => isPayload(one, inner))
}

function refused(name: string, rows: readonly Row[], reference: number): Figure {
  const hits = rows.filter(row => isPayload(row.arguments ?? { value: row.text })).length
  const value = (100 * hits) / rows.length
  return { name: `${name} refused, of ${rows.length}`, value, unit: '%', reference, ratio: value / reference }
}

/** Shares of payloads (bar 95 %) and of ordinary arguments (bar 0.5 %). */
export function payloadFigures(): readonly Figure[] {
  if (!existsSync(corpus)) return []
  const rows: Row[] = readFileSync(corpus, 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
  const attacks = rows.filter(row => row.label === 'attack' && classes.includes(row.class))
  const harmless = rows.filter(row => row.label === 'benign')
  return [
    ...classes.map(name =>
      refused(
        `payloads of ${name}`,
        attacks.filter(row => row.class === name),
        95,
      ),
    ),
    refused('payloads of all these', attacks, 95),
    refused(
      'ordinary shell, SQL, paths and URLs',
      harmless.filter(row => ordinary.has(row.class)),
      0.5,
    ),
    refused('all that is harmless', harmless, 0.5),
  ]
}
