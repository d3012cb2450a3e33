/** One command of a line: what separated it from the one before, its words without quotes, and where it begins. */
export interface Stage {
  readonly separator: string
  readonly words: readonly string[]
  readonly at: number
}

const mostStages = 100
const mostWords = 200

/** How quotes are read: as the shell does, or as mere text where the value itself is put between quotes. */
export type Quoting = 'shell' | 'ignored'

interface Line {
  readonly text: string
  readonly quoting: Quoting
  readonly stages: { separator: string; words: string[]; at: number }[]
  quote: string
  word: string
}

function endWord(line: Line): void {
  const stage = line.stages[line.stages.length - 1]
  if (line.word !== '' && stage !== undefined && stage.words.length < mostWords) stage.words.push(line.word)
  line.word = ''
}

function startStage(line: Line, separator: string, at: number): void {
  endWord(line)
  if (line.stages.length < mostStages) line.stages.push({ separator, words: [], at })
}

const separators = [
  '&&',
  '||',
  '|&',
  ';;',
  '$(',
  '<(',
  '>&',
  '&>',
  '|',
  ';',
  '&',
  '\n',
  '`',
  '(',
  ')',
  '{',
  '}',
]

function separatorAt(text: string, at: number): string | undefined {
  const char = text.charAt(at)
  if (!/[&|;$<>\n`(){}]/u.test(char)) return undefined
  return separators.find(each => text.startsWith(each, at))
}

/** Handles a character inside or at a quote; `true` where it was one. */
function takeQuoted(line: Line, char: string): boolean {
  if (line.quoting === 'ignored') {
    if (char !== "'" && char !== '"') return false
    endWord(line)
    return true
  }
  if (line.quote !== '') {
    if (char === line.quote) line.quote = ''
    else line.word += char
    return true
  }
  if (char !== "'" && char !== '"') return false
  line.quote = char
  return true
}

/** A separator at `at`, taken; the position after it, or `at` where there is none. */
function takeSeparator(line: Line, at: number): number {
  const separator = separatorAt(line.text, at)
  if (separator === undefined) return at
  if (separator === '>&' || separator === '&>') line.word += separator
  else startStage(line, separator, at)
  return at + separator.length
}

function takeEscape(line: Line, at: number): number {
  const isPlain = line.quoting === 'ignored' || at + 1 >= line.text.length
  line.word += line.text.charAt(isPlain ? at : at + 1)
  return at + (isPlain ? 1 : 2)
}

/** Reads one token at `at`; returns the position after it. */
function take(line: Line, at: number): number {
  const char = line.text.charAt(at)
  const isSubstitution = line.quote === '"' && (line.text.startsWith('$(', at) || char === '`')
  if (!isSubstitution && takeQuoted(line, char)) return at + 1
  if (char === '\\') return takeEscape(line, at)
  const after = takeSeparator(line, at)
  if (after > at) return after
  if (char === ' ' || char === '\t' || char === '\r') endWord(line)
  else line.word += char
  return at + 1
}

/** Splits a command line into its commands, substitutions included; linear, at most 100 commands. */
export function shellStages(text: string, quoting: Quoting): readonly Stage[] {
  const line: Line = { text, quoting, stages: [{ separator: '', words: [], at: 0 }], quote: '', word: '' }
  let at = 0
  while (at < text.length) at = take(line, at)
  endWord(line)
  return line.stages.filter(stage => stage.words.length > 0 || stage.separator !== '')
}

const prefixes = new Set([
  'sudo',
  'nohup',
  'env',
  'command',
  'exec',
  'time',
  'do',
  'then',
  'else',
  'if',
  'while',
  '!',
  'busybox',
  'doas',
  'nice',
])

/** The words of a stage from its program on, without assignments and words like `sudo`; the program without its folder, in lower case. */
export function commandOf(stage: Stage): {
  readonly program: string
  readonly args: readonly string[]
  readonly isPath: boolean
} {
  let index = 0
  while (
    index < stage.words.length - 1 &&
    (prefixes.has(stage.words[index] ?? '') || /^\w{1,64}=/u.test(stage.words[index] ?? ''))
  ) {
    index += 1
  }
  const first = stage.words[index] ?? ''
  const isPath = /^\/?(?:usr\/)?(?:local\/)?s?bin\/[\w.+-]{1,32}$/u.test(first)
  const program = first
    .slice(first.lastIndexOf('/') + 1)
    .toLowerCase()
    .replace(/\.exe$/u, '')
  return { program, args: stage.words.slice(index + 1), isPath }
}
