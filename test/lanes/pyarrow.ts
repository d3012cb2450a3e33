// PyArrow, a reader of the archive that somebody else wrote, in a Python environment of its own.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { install, runProgram, toolPath, type Progress } from './cache.ts'

const version = '26.0.1'
const name = `pyarrow-${version}`

/** Installs PyArrow (about 180 MB) unless the cache has it. */
export async function installPyArrow(progress: Progress): Promise<void> {
  await install(
    {
      name,
      title: `PyArrow ${version}: installing from PyPI (about 180 MB)`,
      make: async target => {
        await runProgram('python3', ['-m', 'venv', target])
        const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `pyarrow==${version}`]
        await runProgram(join(target, 'bin/python'), pip)
      },
    },
    progress,
  )
}

/** Whether PyArrow has been installed. */
export function isPyArrowInstalled(): boolean {
  return existsSync(toolPath(name))
}

/** The Python that has it. */
export function pythonWithPyArrow(): string {
  return join(toolPath(name), 'bin/python')
}
