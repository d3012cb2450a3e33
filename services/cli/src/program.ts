import { exitCodeOf } from '@muniment/runtime'
import { AppError, isAppError } from '@muniment/schema'
import { Command, CommanderError } from 'commander'
import type { CliCommand } from './command.ts'
import { commands } from './commands/index.ts'
import { readCliConfig } from './config.ts'
import { createPrinter, safe, type Io } from './print.ts'
import { programVersion } from './version.ts'

function helpAfter({ help, examples }: CliCommand): string {
  const lines = examples.map(([line, meaning]) => `  ${line}\n      ${meaning}`)
  return [...(help === undefined ? [] : ['', help]), '', 'Examples:', ...lines].join('\n')
}

function define(command: CliCommand, io: Io, done: (exitCode: number) => void): Command {
  const sub = new Command(command.name)
    .description(command.summary)
    .option('--json', 'print the answer as NDJSON on standard output')
    .exitOverride()
    .configureOutput({
      writeOut: text => void io.stdout.write(text),
      writeErr: text => void io.stderr.write(text),
    })
    .addHelpText('after', helpAfter(command))
    .showHelpAfterError(`  → muniment ${command.name} --help shows how it is used.`)
  command.configure?.(sub)
  return sub.action(async () => {
    const options: Readonly<Record<string, unknown>> = sub.opts()
    const printer = createPrinter(io, options['json'] === true)
    done(
      await command.run({ args: sub.args, options, io, printer, config: async () => readCliConfig(io.env) }),
    )
  })
}

function createProgram(io: Io, done: (exitCode: number) => void): Command {
  const program = new Command('muniment')
    .description('Evidence-grade audit and PII protection for MCP servers.')
    .version(programVersion)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: text => void io.stdout.write(text),
      writeErr: text => void io.stderr.write(text),
    })
    .addHelpText(
      'after',
      '\nStart with: muniment up\nSettings come from the environment and muniment.yaml: muniment doctor --settings lists them.',
    )
  for (const command of commands) program.addCommand(define(command, io, done))
  return program
}

const diskFaults = new Set([
  'EACCES',
  'EDQUOT',
  'EIO',
  'EISDIR',
  'ENOENT',
  'ENOSPC',
  'ENOTDIR',
  'EPERM',
  'EROFS',
])

/** A folder or file that cannot be used is the operator's to mend, so it is told without a stack. */
function nameDiskFault(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || !('path' in error)) return error
  const { code, path } = error
  if (typeof code !== 'string' || typeof path !== 'string' || !diskFaults.has(code)) return error
  return new AppError('DISK_UNUSABLE', `${path} cannot be used: ${code}.`, { cause: error })
}

/** One sentence, a hint, and nothing that was not meant for a person. */
function report(error: unknown, io: Io): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (io.signal.aborted && error instanceof Error && error.name === 'AbortError') return 0
  if (isAppError(error)) {
    io.stderr.write(`muniment: ${safe(error.message)} (${error.code})\n  → ${safe(error.hint)}\n`)
    return exitCodeOf(error)
  }
  io.stderr.write(
    `muniment: ${error instanceof Error ? safe(error.stack ?? error.message) : 'unknown failure'}\n`,
  )
  return 1
}

/** Runs one command line and resolves with its exit code. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  let exitCode = 0
  try {
    const program = createProgram(io, code => {
      exitCode = code
    })
    if (args.length === 0) {
      program.outputHelp()
      return 2
    }
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    return report(nameDiskFault(error), io)
  }
}
