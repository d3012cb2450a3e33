import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import type { CedarAttributes } from './arguments.ts'
import { openCedar, type CedarPolicies } from './cedar.ts'
import type { PolicyOptions } from './options.ts'
import { refuseOption } from './refuse-option.ts'
import { toolsOf } from './schema.ts'
import { problem, problemOf, type OnProblem } from '../../problem.ts'

const maxPolicyBytes = 1_048_576
const maxToolsBytes = 8_388_608

function readBounded(path: string, maxBytes: number): string {
  const option = maxBytes === maxPolicyBytes ? 'policies.files' : 'policies.tools'
  try {
    if (statSync(path).size <= maxBytes) return readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
    throw refuseOption(option, `names a file that cannot be read: ${path} (${code}).`)
  }
  throw refuseOption(option, `names a file of more than ${maxBytes} bytes: ${path}.`)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function readTools(path: string | undefined): ReadonlyMap<string, CedarAttributes> {
  if (path === undefined) return new Map()
  const tools = toolsOf(parsed(readBounded(path, maxToolsBytes)))
  if (tools !== undefined) return tools
  throw refuseOption(
    'policies.tools',
    `names a file that is no list of tools: ${path}.`,
    'Keep there what the server answers to tools/list.',
  )
}

/** Reads and validates the policies of these files. Throws `CONFIG_INVALID`. */
export function readPolicies({ files, tools }: PolicyOptions): CedarPolicies {
  const texts = files.map(path => ({ name: basename(path), text: readBounded(path, maxPolicyBytes) }))
  return openCedar({ files: texts, tools: readTools(tools) })
}

function fingerprint({ files, tools }: PolicyOptions): string {
  return [...files, ...(tools === undefined ? [] : [tools])]
    .map(path => {
      const file = statSync(path, { throwIfNoEntry: false })
      return file === undefined ? '-' : `${file.ino} ${file.size} ${file.mtimeMs}`
    })
    .join('\n')
}

const lookAgainMs = 2000

/**
 * Policies that follow their files: looked at when a request comes, at most every two seconds. What cannot be used is told, and the last
 * good ones hold. The first ones must be good: throws `CONFIG_INVALID`.
 */
export function followPolicies(
  options: PolicyOptions,
  onProblem: OnProblem,
  monotonicMs: () => number,
): () => CedarPolicies {
  let seen = fingerprint(options)
  let current = readPolicies(options)
  let lookedMs = monotonicMs()
  return () => {
    if (monotonicMs() - lookedMs < lookAgainMs) return current
    lookedMs = monotonicMs()
    try {
      const now = fingerprint(options)
      if (now === seen) return current
      seen = now
      current = readPolicies(options)
    } catch (error) {
      const { code, message, hint } = problemOf(error, 'Policies could not be read again')
      onProblem(problem(code, `${message} The last good policies hold.`, hint))
    }
    return current
  }
}
