#!/usr/bin/env -S node --max-semi-space-size=16
// Plain JavaScript that an old Node can still read: the program behind it needs Node 24.
import { spawn } from 'node:child_process'
import * as module from 'node:module'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

const neededMajor = 24

/** The Node that a checkout of the repository installs beside the program, where there is one. */
function bundledNode() {
  const os = process.platform === 'win32' ? 'win' : process.platform
  const file = os === 'win' ? 'node.exe' : 'node'
  try {
    return module.createRequire(import.meta.url).resolve(`node-${os}-${process.arch}/bin/${file}`)
  } catch {
    return undefined
  }
}

/** Runs this same command line on another Node and ends as it ends. */
/** As in the first line: the young generation would grow to 128 MB, and nothing be faster for it. */
const flags = ['--max-semi-space-size=16']

function runOn(node) {
  const child = spawn(node, [...flags, ...process.argv.slice(1)], { stdio: 'inherit' })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, () => child.kill(signal))
  child.on('error', error => fail(`cannot run ${node}: ${error.message}`))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
}

function fail(message) {
  console.error(`muniment: ${message}`)
  process.exit(2)
}

if (Number.parseInt(process.versions.node, 10) >= neededMajor) {
  module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache', import.meta.url)))
  const { main } = await import('@muniment/cli')
  process.exitCode = await main(process.argv.slice(2))
} else {
  const node = bundledNode()
  if (node === undefined)
    fail(`needs Node.js ${neededMajor} or newer, this is ${process.versions.node}: https://nodejs.org`)
  else runOn(node)
}
