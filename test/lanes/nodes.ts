// The lines of Node on which the interceptor must work, beside the one that this checkout brings.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { toolPath, type Progress } from './cache.ts'
import { installFromNpm } from './npm.ts'

const versions = ['20.20.2', '22.23.5', '26.12.1'] as const
const os = process.platform === 'win32' ? 'win' : process.platform
const system = `${os}-${process.arch}`
const name = `nodes-${versions.join('-')}-${system}`

/** Installs them (about 550 MB) from npm. */
export async function installNodes(progress: Progress): Promise<void> {
  const packages = versions.map(version => `node-${version}@npm:node-${system}@${version}`)
  await installFromNpm(
    { name, title: `Node ${versions.join(', ')}: installing from npm`, packages },
    progress,
  )
}

/** Whether they have been installed. */
export function areNodesInstalled(): boolean {
  return existsSync(toolPath(name))
}

/** Their programs by version, with the one that runs this. */
export function nodePrograms(): readonly (readonly [version: string, program: string])[] {
  const file = os === 'win' ? 'node.exe' : 'node'
  const others = versions.map(
    version => [version, join(toolPath(name), 'node_modules', `node-${version}`, 'bin', file)] as const,
  )
  return [...others, [process.versions.node, process.execPath]]
}
