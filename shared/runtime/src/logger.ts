import { destination as openDestination, pino, stdTimeFunctions } from 'pino'
import { fenceFields } from './fence.ts'

/** Levels from most to least talkative. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const

/** One of {@link logLevels}. */
export type LogLevel = (typeof logLevels)[number]

/** Facts of one line: names and numbers, never payloads, tokens or keys. */
export type LogFacts = Readonly<Record<string, unknown>>

/** `event`: a dotted name that stays the same, such as `masker.rejected`. */
type Write = (event: string, facts?: LogFacts) => void

/** Writes one JSON line per call, its first key `event`. Never throws. */
export interface Logger {
  readonly trace: Write
  readonly debug: Write
  readonly info: Write
  readonly warn: Write
  readonly error: Write
  /** A logger whose lines carry `component` too. */
  readonly child: (component: string) => Logger
}

/** What a logger is made from. */
export interface LoggerOptions {
  /** Name of the process, such as `masker`. */
  readonly name: string
  readonly level: LogLevel
  /** Where lines go; default standard error, so that standard output stays the program's own. */
  /** Changes every line before it is written, so that none leaves unmasked: see `createLineMask`. */
  readonly maskLine?: (line: string) => string
  readonly destination?: { readonly write: (line: string) => void }
}

// pino always writes the level first; its values are escaped, so the first `"event":"` at this place is the key.
const writtenLine = /^\{(.*?,)("event":"(?:[^"\\]|\\.)*"),?(.*)$/su

function eventFirst(written: string): string {
  return written.replace(writtenLine, '{$2,$1$3').replace(/,\}\n$/u, '}\n')
}

type Base = ReturnType<typeof pino>

function loggerOf(base: Base, component: string | undefined): Logger {
  const at =
    (level: Exclude<LogLevel, 'silent'>): Write =>
    (event, facts = {}) => {
      if (!base.isLevelEnabled(level)) return
      const part = component === undefined ? {} : { component }
      const { event: _shadowed, ...rest } = fenceFields(facts)
      base[level]({ event, ...part, ...rest })
    }
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: name => loggerOf(base, name),
  }
}

/** A logger for one process: JSON lines, fenced against secrets that call sites pass by mistake. */
export function createLogger(options: LoggerOptions): Logger {
  const {
    name,
    level,
    maskLine = line => line,
    destination = openDestination({ fd: 2, sync: true }),
  } = options
  const write = (text: string): void => {
    destination.write(eventFirst(maskLine(text)))
  }
  const settings = {
    level,
    base: { name },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return loggerOf(pino(settings, { write }), undefined)
}
