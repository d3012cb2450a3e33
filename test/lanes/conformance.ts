// The official conformance suite of MCP, both published lines, and what its test server needs to run.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { toolPath, type Progress } from './cache.ts'
import { installFromNpm } from './npm.ts'

const current = '0.2.0-alpha.12'
const stable = '0.1.16'
const name = `conformance-${current}-${stable}`

const packages = [
  `@modelcontextprotocol/conformance@${current}`,
  `conformance-stable@npm:@modelcontextprotocol/conformance@${stable}`,
  '@modelcontextprotocol/server@2.4.0',
  '@modelcontextprotocol/client@2.4.0',
  '@modelcontextprotocol/core@2.4.0',
  '@modelcontextprotocol/node@2.1.2',
  '@modelcontextprotocol/express@2.0.2',
  'express@5.3.0',
  'cors@2.8.6',
  'zod@4.6.7',
]

/** Installs the suites (about 90 MB) from npm, without install scripts. */
export async function installConformance(progress: Progress): Promise<void> {
  const title = `MCP conformance ${current} and ${stable}: installing from npm (about 90 MB)`
  await installFromNpm({ name, title, packages }, progress)
}

/** Whether the suites have been installed. */
export function isConformanceInstalled(): boolean {
  return existsSync(toolPath(name))
}

/** Folder whose packages a subject of the suite finds. */
export function conformanceModules(): string {
  return join(toolPath(name), 'node_modules')
}

function programOf(folder: string): string {
  return join(conformanceModules(), folder, 'dist', 'index.js')
}

/** The program of each line of the suite. */
export function conformanceSuites(): Readonly<Record<string, string>> {
  return {
    [current]: programOf('@modelcontextprotocol/conformance'),
    [stable]: programOf('conformance-stable'),
  }
}
