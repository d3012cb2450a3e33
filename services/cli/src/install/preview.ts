import { safe, type Style } from '../print.ts'
import { openEntry, pieces, type Source } from './document.ts'

/** Which server a preview is about. */
export interface Subject {
  readonly key: string
  readonly name: string
}

const contextLines = 3
const maxSkip = 200

/** The places of what may be shown: the words of the server, and no values of its environment or headers. */
function shownOffsets(source: Source, { key, name }: Subject): ReadonlySet<number> {
  const { command, args } = openEntry(source, key, name)
  return new Set([command, ...(args?.children ?? [])].map(({ offset }) => offset))
}

const isKey = /^\s*:/u

/** The same text, line for line, in which only keys and the command line of one server can be read: the rest may hold secrets. */
function veiled(source: Source, subject: Subject): readonly string[] {
  const shown = shownOffsets(source, subject)
  const { text } = source
  const veil = (piece: string, offset: number): string => {
    if (piece.startsWith('//')) return '// …'
    if (piece.startsWith('/*')) return piece.replaceAll(/[^\r\n]+/gu, '…')
    if (shown.has(offset) || /^[{}[\]]/u.test(piece)) return piece
    return isKey.test(text.slice(offset + piece.length, offset + piece.length + 100)) ? piece : '"…"'
  }
  return text
    .replaceAll(pieces, veil)
    .split('\n')
    .map(line => safe(line.replaceAll('\t', '  ').replace(/\r$/u, '')))
}

interface Op {
  readonly mark: ' ' | '-' | '+'
  readonly line: string
}

type Lines = readonly string[]

/** How many lines to take away and to add before both texts agree again. */
function skip(before: Lines, after: Lines): readonly [number, number] {
  for (let sum = 1; sum <= maxSkip; sum++)
    for (let less = 0; less <= sum; less++)
      if (less <= before.length && before[less] === after[sum - less]) return [less, sum - less]
  return [before.length, after.length]
}

function opsOf(before: Lines, after: Lines): readonly Op[] {
  const ops: Op[] = []
  let [at, to] = [0, 0]
  while (at < before.length || to < after.length) {
    const line = before[at]
    if (line !== undefined && line === after[to]) {
      ops.push({ mark: ' ', line })
      at += 1
      to += 1
      continue
    }
    const [less, more] = skip(before.slice(at, at + maxSkip), after.slice(to, to + maxSkip))
    for (const gone of before.slice(at, at + less)) ops.push({ mark: '-', line: gone })
    for (const come of after.slice(to, to + more)) ops.push({ mark: '+', line: come })
    at += less
    to += more
  }
  return ops
}

/** Runs of changes with the lines around them, as `[first, end)` of the operations. */
function hunksOf(ops: readonly Op[]): readonly (readonly [number, number])[] {
  const hunks: [number, number][] = []
  for (const [index, { mark }] of ops.entries()) {
    if (mark === ' ') continue
    const [from, to] = [Math.max(0, index - contextLines), Math.min(ops.length, index + contextLines + 1)]
    const last = hunks.at(-1)
    if (last && from <= last[1]) last[1] = to
    else hunks.push([from, to])
  }
  return hunks
}

function count(ops: readonly Op[], without: Op['mark']): number {
  return ops.filter(({ mark }) => mark !== without).length
}

function headOf(ops: readonly Op[], from: number, to: number): string {
  const [past, now] = [ops.slice(0, from), ops.slice(from, to)]
  const range = (without: Op['mark']): string => `${count(past, without) + 1},${count(now, without)}`
  return `@@ -${range('+')} +${range('-')} @@`
}

const colours = { '-': 'red', '+': 'green' } as const

/** The difference between two states of a configuration as unified lines, with all values veiled but the command line of the server. */
export function difference(
  before: Source,
  after: Source,
  { style, ...subject }: Subject & { readonly style: Style },
): string {
  const ops = opsOf(veiled(before, subject), veiled(after, subject))
  const paint = ({ mark, line }: Op): string =>
    mark === ' ' ? ` ${line}` : style(colours[mark], `${mark}${line}`)
  const hunks = hunksOf(ops).map(([from, to]) =>
    [style('cyan', headOf(ops, from, to)), ...ops.slice(from, to).map(paint)].join('\n'),
  )
  return [`--- ${safe(before.file)}`, `+++ ${safe(after.file)}`, ...hunks].join('\n')
}
