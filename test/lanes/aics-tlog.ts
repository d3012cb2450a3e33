// aics-tlog, a reader of tlog-tiles logs with a code base of its own, in a Python environment of its own.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { install, runProgram, toolPath, type Progress } from './cache.ts'

const version = '0.2.1'
const name = `aics-tlog-${version}`
const script = fileURLToPath(new URL('../judges/tlog.py', import.meta.url))

/** Installs it (about 20 MB) unless the cache has it. */
export async function installAicsTlog(progress: Progress): Promise<void> {
  await install(
    {
      name,
      title: `aics-tlog ${version}: installing from PyPI (about 20 MB)`,
      make: async target => {
        await runProgram('python3', ['-m', 'venv', target])
        // It asks for a newer Python than it needs.
        const pip = [
          '-m',
          'pip',
          'install',
          '--quiet',
          '--disable-pip-version-check',
          '--ignore-requires-python',
        ]
        await runProgram(join(target, 'bin/python'), [...pip, `aics-tlog==${version}`])
      },
    },
    progress,
  )
}

/** Whether it has been installed. */
export function isAicsTlogInstalled(): boolean {
  return existsSync(toolPath(name))
}

/** Program and arguments that judge the log in a folder. */
export function aicsTlogJudge(folder: string, vkey: string): readonly [string, readonly string[]] {
  return [join(toolPath(name), 'bin/python'), [script, folder, vkey]]
}
