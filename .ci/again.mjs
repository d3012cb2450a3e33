// Names the test files worth a second run, one a line: those that drive processes, sockets and servers, at most three. Any other failure stands.
// Usage: node again.mjs REPORT
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'

const drivesProcesses = /\.lane\.test\.ts$|^test\/(?:conformance|containers|e2e|examples|packed)\//u

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const failed = report.testResults
  .filter(({ status }) => status === 'failed')
  .map(({ name }) => relative(process.cwd(), name))
const isWorthIt = failed.length <= 3 && failed.every(name => drivesProcesses.test(name))
if (isWorthIt) process.stdout.write(failed.map(name => `${name}\n`).join(''))
