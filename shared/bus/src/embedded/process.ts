import { readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** Names a process among all that may share a folder. */
export interface ProcessName {
  readonly text: string
  readonly machine: string
  readonly pid: number
}

/** Process ids mean nothing in another container, even on the same machine. */
function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return process.platform
  }
}

export function nameProcess(): ProcessName {
  const machine = `${hostname()} ${pidNamespace()}`
  return { text: `${machine} ${process.pid}`, machine, pid: process.pid }
}

/** Whether the process that wrote `text` has surely ended; `false` where that cannot be known from here. */
export function isDead(text: string, own: ProcessName): boolean {
  if (!text.startsWith(`${own.machine} `)) return false
  const pid = Number(text.slice(own.machine.length + 1))
  if (pid === own.pid) return false
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}
