// Packages of PyPI, each in a Python environment of its own.
import { join } from 'node:path'
import { install, runProgram, toolPath, type Progress } from './cache.ts'

/** What is installed under which name in the cache. */
export interface PythonPackages {
  readonly name: string
  /** What a person reads while it is installed. */
  readonly title: string
  readonly packages: readonly string[]
}

/** Makes the environment, unless the cache has it. */
export async function installPython(
  { name, title, packages }: PythonPackages,
  progress: Progress,
): Promise<void> {
  const make = async (target: string): Promise<void> => {
    await runProgram('python3', ['-m', 'venv', target])
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages]
    await runProgram(join(target, 'bin/python'), pip)
  }
  await install({ name, title, make }, progress)
}

/** The Python that has them. */
export function pythonOf({ name }: PythonPackages): string {
  return join(toolPath(name), 'bin/python')
}
