// What the lanes ask of the machine: settings, the cache folder, and which programs it has.
import { accessSync, constants } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

// oxlint-disable-next-line node/no-process-env -- test runners have no main of ours that could pass it down
const machine: Readonly<Record<string, string | undefined>> = process.env

const repository = fileURLToPath(new URL('../../', import.meta.url))

/** The environment that a child process needs to behave as it would for a person: path, home, registry settings. */
export function inherited(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const known = Object.entries(machine).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  )
  return { ...Object.fromEntries(known), ...extra }
}

/** Where downloads and builds are kept between runs: `MUNIMENT_TEST_CACHE`, else `.cache` in the repository. */
export function cacheFolder(): string {
  const chosen = machine['MUNIMENT_TEST_CACHE'] ?? ''
  return chosen === '' ? join(repository, '.cache') : resolve(chosen)
}

function isSet(name: string): boolean {
  return !['', '0', 'false'].includes(machine[name] ?? '')
}

/** Whether every lane must run: a lane that cannot is then a failure, not a skip. */
export function isMandatory(): boolean {
  return isSet('CI')
}

/** Whether a test may start a download or a build that takes minutes. */
export function mayInstall(): boolean {
  return isMandatory() || isSet('MUNIMENT_TEST_INSTALL')
}

/** The absolute path of a program on the search path, or undefined. */
export function findProgram(name: string): string | undefined {
  return (machine['PATH'] ?? '')
    .split(delimiter)
    .filter(folder => folder !== '')
    .map(folder => join(folder, name))
    .find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** A number from the environment, for tests that can be run longer than usual. */
export function howMany(name: string, usual: number): number {
  const value = Number(machine[name] ?? usual)
  return Number.isSafeInteger(value) && value > 0 ? value : usual
}
