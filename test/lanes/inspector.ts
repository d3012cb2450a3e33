// The inspector of MCP, a client that its makers debug servers with, and two of their servers.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { toolPath, type Progress } from './cache.ts'
import { installFromNpm } from './npm.ts'

const version = '2.12.0'
const name = `inspector-${version}`
const servers = { filesystem: '2026.8.31', memory: '2026.8.31' } as const

/** Installs them (about 130 MB) from npm, without install scripts. */
export async function installInspector(progress: Progress): Promise<void> {
  const packages = [
    `@modelcontextprotocol/inspector@${version}`,
    ...Object.entries(servers).map(([server, exact]) => `@modelcontextprotocol/server-${server}@${exact}`),
  ]
  const title = `MCP inspector ${version} and two servers: installing from npm (about 130 MB)`
  await installFromNpm({ name, title, packages }, progress)
}

/** Whether they have been installed. */
export function isInspectorInstalled(): boolean {
  return existsSync(toolPath(name))
}

function programOf(path: string): string {
  return join(toolPath(name), 'node_modules/@modelcontextprotocol', path)
}

/** The program of the inspector. */
export function inspectorProgram(): string {
  return programOf('inspector/clients/launcher/build/index.js')
}

/** The program of a server. */
export function serverProgram(server: keyof typeof servers): string {
  return programOf(`server-${server}/dist/index.js`)
}
