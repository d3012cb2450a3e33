import { AppError } from '@muniment/schema'
import { parseTree, printParseErrorCode, type Node, type ParseError } from 'jsonc-parser'

/** A client's configuration: JSON with comments. */
export interface Source {
  readonly file: string
  readonly text: string
}

/** One stdio server of a configuration, by the places of its words in the text. */
export interface Entry {
  readonly node: Node
  readonly command: Node
  /** `undefined` where the entry has none. */
  readonly args: Node | undefined
}

const maxDepth = 100
/** Strings, comments, brackets and other words; each alternative takes all it began, so that no input makes it start over. */
export const pieces = /"(?:[^"\\\r\n]|\\.)*"?|\/\/[^\r\n]*|\/\*[\s\S]*?(?:\*\/|$)|[{}[\]]|[^\s{}[\]:,"/]+/gu

/** What is wrong with a configuration. */
export function invalid({ file }: Source, problem: string, hint?: string): AppError {
  return new AppError('CONFIG_INVALID', `${file} ${problem}`, {
    hint: hint ?? 'Correct the file by hand, or name another with --file. Nothing was written.',
  })
}

function assertShallow(source: Source): void {
  let depth = 0
  for (const [piece] of source.text.matchAll(pieces)) {
    if (piece === '{' || piece === '[') depth += 1
    if (piece === '}' || piece === ']') depth -= 1
    if (depth > maxDepth) throw invalid(source, `is nested deeper than ${maxDepth}.`)
  }
}

function parse(source: Source): Node {
  assertShallow(source)
  const errors: ParseError[] = []
  const root = parseTree(source.text, errors, { allowTrailingComma: true })
  const [error] = errors
  if (error) {
    const line = source.text.slice(0, error.offset).split('\n').length
    throw invalid(source, `is not JSON: ${printParseErrorCode(error.error)} in line ${line}.`)
  }
  if (root?.type !== 'object') throw invalid(source, 'holds no object.')
  return root
}

function property(source: Source, node: Node, key: string): Node | undefined {
  const found = (node.children ?? []).filter(({ children }) => children?.[0]?.value === key)
  // Programs differ in which of two they take, so neither is changed.
  if (found.length > 1) throw invalid(source, `has "${key}" twice in one object.`)
  return found[0]?.children?.[1]
}

function isText(node: Node): boolean {
  return node.type === 'string'
}

function serverOf(source: Source, servers: Node, name: string): Node {
  const node = property(source, servers, name)
  if (node) return node
  const names = (servers.children ?? []).map(({ children }) => String(children?.[0]?.value))
  const known = names.length === 0 ? 'It has none.' : `It has: ${names.join(', ')}.`
  throw new AppError('INVALID_INPUT', `${source.file} has no server "${name}". ${known}`, {
    hint: 'Give one of these with --server, or another file with --file.',
  })
}

function refuseRemote(source: Source, node: Node, name: string): void {
  if (!['url', 'serverUrl', 'httpUrl'].some(one => property(source, node, one))) return
  throw new AppError('INVALID_INPUT', `"${name}" is reached by a URL, so there is no command to wrap.`, {
    hint: 'Put `muniment proxy --upstream URL` in front of it and give the client the URL of the proxy.',
  })
}

function isListOfTexts({ type, children = [] }: Node): boolean {
  return type === 'array' && children.every(isText)
}

/** Finds one server under `key`. Throws `CONFIG_INVALID` where the file, and `INVALID_INPUT` where the server is not as it must be. */
export function openEntry(source: Source, key: string, name: string): Entry {
  const servers = property(source, parse(source), key)
  if (servers?.type !== 'object') throw invalid(source, `has no object "${key}".`)
  const node = serverOf(source, servers, name)
  const place = `"${key}.${name}"`
  if (node.type !== 'object') throw invalid(source, `has something else than an object at ${place}.`)
  const [command, args] = [property(source, node, 'command'), property(source, node, 'args')]
  if (command === undefined) refuseRemote(source, node, name)
  if (command === undefined || !isText(command)) throw invalid(source, `has no text "command" at ${place}.`)
  if (args && !isListOfTexts(args))
    throw invalid(source, `has something else than a list of texts as "args" at ${place}.`)
  return { node, command, args }
}

/** The command line of a server. */
export function wordsOf({ command, args }: Entry): readonly string[] {
  return [command, ...(args?.children ?? [])].map(({ value }) => String(value))
}
