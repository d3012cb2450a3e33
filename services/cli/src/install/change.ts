import { resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { AppError } from '@muniment/schema'
import type { Call } from '../command.ts'
import { flag } from '../options.ts'
import { safe, type Io, type Style } from '../print.ts'
import { readConfigFile, replaceConfigFile, type ConfigFile } from './config-file.ts'
import { difference } from './preview.ts'
import { rewritten, type Wish } from './wrapping.ts'

async function answer({ stdin, stderr, signal }: Io, question: string): Promise<string> {
  const terminal = createInterface({ input: stdin, output: stderr })
  try {
    return await terminal.question(question, { signal })
  } catch (error) {
    // Ctrl-C and Ctrl-D close the question, which is an answer too.
    if (error instanceof Error && error.name === 'AbortError') return ''
    throw error
  } finally {
    terminal.close()
  }
}

/** Whether it is to be written. Throws where nobody can be asked. */
async function isAgreed({ options, io, printer }: Call): Promise<boolean> {
  if (flag(options, 'yes')) return true
  if (printer.isJson || io.stdin.isTTY !== true || io.stderr.isTTY !== true)
    throw new AppError('INVALID_INPUT', 'Nothing was written: nobody can be asked here.', {
      hint: 'Give --yes to write it, or --dry-run only to look.',
    })
  return /^y(?:es)?$/iu.test((await answer(io, 'Write this? [y/N] ')).trim())
}

async function sayWhatFollows({ io, printer, config }: Call): Promise<void> {
  const { home, bus } = await config()
  if (bus.kind === 'embedded')
    printer.say(`Its records are collected by MUNIMENT_HOME=${safe(resolve(home))} muniment up.`)
  const names = Object.keys(io.env).filter(name => name.startsWith('MUNIMENT_') && name !== 'MUNIMENT_HOME')
  if (names.length > 0)
    printer.say(
      `The client may not pass on ${safe(names.join(', '))}: put what is needed into "env" of the server.`,
    )
  if (/[\\/]_npx[\\/]/u.test(import.meta.filename))
    printer.say(
      'This program lies in the cache of npx, which may be emptied: better install it, and run this again.',
    )
}

interface Plan {
  readonly wish: Wish
  readonly config: ConfigFile
  readonly text: string
  readonly shown: string
}

function facts({ wish, config }: Pick<Plan, 'wish' | 'config'>, isWritten: boolean): object {
  const isWrapped = (wish.wrapper !== undefined) === isWritten
  return { file: config.path, server: wish.name, isWrapped, isWritten }
}

function sayItIsSo({ printer }: Call, { wish, config }: Pick<Plan, 'wish' | 'config'>): void {
  const isWrapped = wish.wrapper !== undefined
  const state = isWrapped ? 'already runs under muniment' : 'does not run under muniment'
  printer.answer(
    { file: config.path, server: wish.name, isWrapped, isWritten: false },
    () => `"${safe(wish.name)}" ${state} in ${safe(config.file)}.`,
  )
}

async function write(call: Call, plan: Plan): Promise<void> {
  const backup = await replaceConfigFile(plan.config, plan.text)
  call.printer.answer(
    { ...facts(plan, true), difference: plan.shown, backup },
    () => `Written. Before it was as in ${safe(backup)}. Restart the client.`,
  )
  if (plan.wish.wrapper !== undefined) await sayWhatFollows(call)
}

/** Shows what would change, asks, writes, and resolves with the exit code. */
export async function change(call: Call, file: string, wish: Wish): Promise<number> {
  const { options, printer, io } = call
  const config = await readConfigFile(file)
  const text = rewritten(config, wish)
  if (text === undefined) {
    sayItIsSo(call, { wish, config })
    return 0
  }
  // The difference may go to a file while messages go to a terminal.
  const isPlain = printer.isJson || io.stdout.isTTY !== true
  const style: Style = isPlain ? (_, line) => line : printer.style
  const plan = { wish, config, text, shown: difference(config, { ...config, text }, { ...wish, style }) }
  if (!printer.isJson) printer.out(plan.shown)
  if (flag(options, 'dryRun')) {
    printer.answer({ ...facts(plan, false), difference: plan.shown }, () => 'Nothing was written.')
    return 0
  }
  if (await isAgreed(call)) {
    await write(call, plan)
    return 0
  }
  printer.say('Nothing was written.')
  return 1
}
