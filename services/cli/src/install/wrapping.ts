import { applyEdits, type Edit, type Node } from 'jsonc-parser'
import { invalid, openEntry, wordsOf, type Entry, type Source } from './document.ts'

/** What is to be done, and to which server. */
export interface Wish {
  /** The key that holds the servers. */
  readonly key: string
  readonly name: string
  /** What to put before the server's command line, up to and with `--`; absent to take it out again. */
  readonly wrapper?: readonly string[]
}

const launcher = /(?:^|[\\/])(?:node|npx|cmd|muniment)(?:\.(?:exe|cmd|mjs))?$/iu
const program = /(?:^|[\\/])muniment(?:\.mjs|\.cmd)?$|^@muniment\/cli$/iu
const between = /^-|^\/c$|^npx$/iu

/** The place of `wrap` in a command line of ours, however it is started; -1 in another. */
function wrapAt(words: readonly string[]): number {
  const at = words.findIndex(
    (word, index) => index > 0 && word === 'wrap' && program.test(words[index - 1] ?? ''),
  )
  const isOurs =
    launcher.test(words[0] ?? '') &&
    words.slice(1, at).every(word => between.test(word) || program.test(word))
  return isOurs ? at : -1
}

/** Whether a command line runs under `muniment wrap`. */
function isWrapped(words: readonly string[]): boolean {
  return wrapAt(words) > 0
}

function end({ offset, length }: Node): number {
  return offset + length
}

/** What stands between two arguments, as the file does it. */
function separator(text: string, args: Node): string {
  const [first, second] = args.children ?? []
  const gap = first && second ? text.slice(end(first), second.offset) : ''
  if (/^,\s*$/u.test(gap)) return gap
  const before = first ? text.slice(args.offset + 1, first.offset) : ''
  return /^\s*\n\s*$/u.test(before) ? `,${before}` : ', '
}

function newArgs(text: string, { node, command }: Entry, content: string): Edit {
  const gap = /^\s+/u.exec(text.slice(node.offset + 1))?.[0] ?? ' '
  return { offset: end(command), length: 0, content: `,${gap}"args": [${content}]` }
}

/** Edits that keep every other character: the old command keeps even its spelling. */
function wrapEdits(text: string, entry: Entry, [runner = '', ...rest]: readonly string[]): readonly Edit[] {
  const { command, args } = entry
  const words = [...rest.map(word => JSON.stringify(word)), text.slice(command.offset, end(command))]
  const replaced = { offset: command.offset, length: command.length, content: JSON.stringify(runner) }
  const first = args?.children?.[0]
  if (args === undefined) return [replaced, newArgs(text, entry, words.join(', '))]
  if (first === undefined)
    return [replaced, { offset: args.offset + 1, length: 0, content: words.join(', ') }]
  const gap = separator(text, args)
  return [replaced, { offset: first.offset, length: 0, content: words.map(word => word + gap).join('') }]
}

function unwrapEdits(text: string, { command, args }: Entry, oldAt: number): readonly Edit[] {
  const nodes = args?.children ?? []
  const [first, old, next, last] = [nodes[0], nodes[oldAt - 1], nodes[oldAt], nodes.at(-1)]
  if (!first || !old || !last) return []
  const comma = /^\s*,/u.exec(text.slice(end(last)))?.[0].length ?? 0
  const until = next?.offset ?? end(last) + comma
  return [
    { offset: command.offset, length: command.length, content: text.slice(old.offset, end(old)) },
    { offset: first.offset, length: until - first.offset, content: '' },
  ]
}

/** The place of the old command: after the first `--` that is no name. */
function oldCommandAt(words: readonly string[]): number {
  const from = wrapAt(words)
  const at = words.findIndex(
    (word, index) => index > from && word === '--' && words[index - 1] !== '--server-name',
  )
  return at > 0 && at + 1 < words.length ? at + 1 : -1
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/**
 * The text in which the server runs under the wrapper, or no longer; `undefined` where it is so already. Whatever else the file says stays as
 * it is, comments and spaces too.
 */
export function rewritten(source: Source, { key, name, wrapper }: Wish): string | undefined {
  const entry = openEntry(source, key, name)
  const words = wordsOf(entry)
  if (isWrapped(words) === (wrapper !== undefined)) return undefined
  const oldAt = oldCommandAt(words)
  if (wrapper === undefined && oldAt < 0)
    throw invalid(source, `wraps "${name}" without "--", so where its own command begins is not sure.`)
  const edits = wrapper ? wrapEdits(source.text, entry, wrapper) : unwrapEdits(source.text, entry, oldAt)
  const text = applyEdits(source.text, [...edits])
  const wanted = wrapper ? [...wrapper, ...words] : words.slice(oldAt)
  // What was written must mean what was wanted, whatever odd spelling surrounds it.
  if (!isSame(wordsOf(openEntry({ ...source, text }, key, name)), wanted))
    throw invalid(source, `spells "${name}" in a way that cannot be edited.`)
  return text
}
