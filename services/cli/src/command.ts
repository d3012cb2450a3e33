import type { Command } from 'commander'
import type { Config } from '@muniment/runtime'
import type { Io, Printer } from './print.ts'

/** One invocation of a command. */
export interface Call {
  readonly args: readonly string[]
  /** Option values as commander read them; a command checks what it takes. */
  readonly options: Readonly<Record<string, unknown>>
  readonly io: Io
  readonly printer: Printer
  /** The configuration of this invocation; throws `CONFIG_INVALID`. */
  readonly config: () => Promise<Config>
}

/** A command of `muniment`. */
export interface CliCommand {
  readonly name: string
  readonly summary: string
  /** What a person should know before the first use; shown under the options. */
  readonly help?: string
  readonly examples: readonly (readonly [commandLine: string, meaning: string])[]
  /** Declares arguments and options; `--json` and `--help` are there already. */
  readonly configure?: (command: Command) => void
  /** Resolves with the exit code: 0 fine, 1 the answer is no. Failures are thrown. */
  readonly run: (call: Call) => Promise<number>
}
