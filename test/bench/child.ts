// Programs in processes of their own, and the CPU that they use.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** CPU that a process has used, and how much of it its main thread. */
export interface CpuUs {
  readonly process: number
  readonly mainThread: number
}

/** A program that has said its first line. */
export interface Program {
  readonly line: string
  readonly child: ChildProcess
  readonly cpuUs: () => Promise<CpuUs>
}

const cpuAnswer = `process.on('message', () => {
  const sum = ({ user, system }) => user + system
  process.send({ process: sum(process.cpuUsage()), mainThread: sum(process.threadCpuUsage()) })
})
`

function isCpu(value: unknown): value is CpuUs {
  return typeof value === 'object' && value !== null && 'process' in value && 'mainThread' in value
}

async function ask(child: ChildProcess): Promise<CpuUs> {
  const answer = once(child, 'message')
  child.send('cpu')
  const [told]: unknown[] = await answer
  if (!isCpu(told)) throw new Error('The program did not tell its CPU.')
  return told
}

/** Starts the text of a module and waits for the first line that it prints. */
export async function startProgram(
  program: string,
  args: readonly string[] = [],
  flags: readonly string[] = [],
): Promise<Program> {
  const inline = [...flags, '--input-type=module', '-e', cpuAnswer + program, '--', ...args]
  const child = spawn(process.execPath, inline, {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  if (child.stdout === null) throw new Error('The program has no output.')
  const [line]: unknown[] = await once(createInterface(child.stdout), 'line')
  return { line: String(line), child, cpuUs: () => ask(child) }
}
