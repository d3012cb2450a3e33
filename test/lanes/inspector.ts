// The inspector of MCP, a client that its makers debug servers with, two of their servers, and a bridge that gives such servers an HTTP face.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { toolPath, type Progress } from './cache.ts'
import { installFromNpm } from './npm.ts'

const version = '2.12.0'
const bridge = '6.7.19'
const name = `inspector-${version}-bridge-${bridge}`
const servers = { filesystem: '2026.8.31', memory: '2026.8.31' } as const

/** Installs them (about 170 MB) from npm, without install scripts. */
export async function installInspector(progress: Progress): Promise<void> {
  const packages = [
    `@modelcontextprotocol/inspector@${version}`,
    `mcp-proxy@${bridge}`,
    ...Object.entries(servers).map(([server, exact]) => `@modelcontextprotocol/server-${server}@${exact}`),
  ]
  const title = `MCP inspector ${version}, two servers and a bridge: installing from npm (about 170 MB)`
  await installFromNpm({ name, title, packages }, progress)
}

/** Whether they have been installed. */
export function isInspectorInstalled(): boolean {
  return existsSync(toolPath(name))
}

function programOf(path: string): string {
  return join(toolPath(name), 'node_modules', path)
}

/** The program of the inspector. */
export function inspectorProgram(): string {
  return programOf('@modelcontextprotocol/inspector/clients/launcher/build/index.js')
}

/** The program of a server. */
export function serverProgram(server: keyof typeof servers): string {
  return programOf(`@modelcontextprotocol/server-${server}/dist/index.js`)
}

/** The program that serves what speaks over stdio by streamable HTTP, in both eras: `--port N -- command …`. */
export function bridgeProgram(): string {
  return programOf('mcp-proxy/dist/bin/mcp-proxy.mjs')
}
