import type { Writable } from 'node:stream'

/** Where a command reads and writes; tests give their own. */
export interface Io {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborts on Ctrl-C and on SIGTERM. */
  readonly signal: AbortSignal
}

/** Text for people goes to stderr, answers to stdout: NDJSON where `--json` is given. */
export interface Printer {
  readonly isJson: boolean
  /** A line for a person. */
  readonly say: (line?: string) => void
  /** Progress that replaces itself on a terminal; nothing elsewhere. */
  readonly progress: (line: string) => void
  /** One object of the answer: an NDJSON line with `--json`, else what `asText` makes of it. */
  readonly answer: (value: object, asText: () => string) => void
  /** A line of the answer itself, whatever the format. */
  readonly out: (line: string) => void
  readonly style: Style
}

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

/** Paints text where the terminal shows colours, else returns it as it is. */
export type Style = (name: keyof typeof codes, text: string) => string

function hasColours(stream: { readonly isTTY?: boolean }, env: Io['env']): boolean {
  if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return false
  return (env['FORCE_COLOR'] ?? '') !== '' || stream.isTTY === true
}

// Control characters from recorded data could rewrite the terminal.
const control = /[\p{Cc}\p{Bidi_Control}]/gu

/** Text from recorded data, safe to show on a terminal. */
export function safe(text: string): string {
  return text.replaceAll(control, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** A printer for one command. */
export function createPrinter({ stdout, stderr, env }: Io, isJson: boolean): Printer {
  const isColoured = hasColours(stdout.isTTY === true ? stdout : stderr, env)
  const isLive = stderr.isTTY === true
  let isLineOpen = false
  const clear = (): string => {
    const before = isLineOpen ? '\r\u001b[2K' : ''
    isLineOpen = false
    return before
  }
  return {
    isJson,
    say: (line = '') => void stderr.write(`${clear()}${line}\n`),
    progress: line => {
      if (!isLive) return
      stderr.write(`\r\u001b[2K${line}`)
      isLineOpen = true
    },
    answer: (value, asText) => void stdout.write(`${isJson ? JSON.stringify(value) : asText()}\n`),
    out: line => void stdout.write(`${line}\n`),
    style: (name, text) => (isColoured ? `\u001b[${codes[name]}m${text}\u001b[0m` : text),
  }
}
