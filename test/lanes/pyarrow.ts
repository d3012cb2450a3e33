// PyArrow, a reader of the archive that somebody else wrote.
import { existsSync } from 'node:fs'
import type { Progress } from './cache.ts'
import { installPython, pythonOf } from './python.ts'

const version = '26.0.1'
const pyarrow = {
  name: `pyarrow-${version}`,
  title: `PyArrow ${version}: installing from PyPI (about 180 MB)`,
  packages: [`pyarrow==${version}`],
}

/** Installs PyArrow unless the cache has it. */
export async function installPyArrow(progress: Progress): Promise<void> {
  await installPython(pyarrow, progress)
}

/** Whether PyArrow has been installed. */
export function isPyArrowInstalled(): boolean {
  return existsSync(pythonWithPyArrow())
}

/** The Python that has it. */
export function pythonWithPyArrow(): string {
  return pythonOf(pyarrow)
}
