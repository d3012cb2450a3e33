// Programs from npm that are no dependencies of the product, in a folder of their own and without install scripts.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { install, runProgram, type Progress } from './cache.ts'

interface Wanted {
  /** Of the folder in the cache. */
  readonly name: string
  readonly title: string
  /** With their exact versions. */
  readonly packages: readonly string[]
}

/** Installs packages unless the cache has the folder. */
export async function installFromNpm({ name, title, packages }: Wanted, progress: Progress): Promise<void> {
  const make = async (target: string): Promise<void> => {
    mkdirSync(target)
    writeFileSync(join(target, 'package.json'), '{ "private": true, "type": "module" }\n')
    const flags = ['--save-exact', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    await runProgram('npm', ['install', '--prefix', target, ...flags, ...packages])
  }
  await install({ name, title, make }, progress)
}
