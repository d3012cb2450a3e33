// Prints `N passed, N failed, N skipped` from vitest's JSON reports and exits 1 unless all that ran passed.
// Usage: node summary.mjs FAILURES REPORT [REPORT OF A SECOND RUN], where FAILURES counts the steps that failed, tests included. A file in the second
// report replaces the same file in the first; what failed there and passed here is named as unsteady.
import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'

/** The outcomes of a file by test; a file that broke before its tests ran counts as one failure: vitest counts no test for it. */
function testsOf({ status, assertionResults }) {
  const tests = assertionResults.map(test => [test.fullName, test.status])
  const isBroken = status === 'failed' && !tests.some(([, outcome]) => outcome === 'failed')
  return isBroken ? [...tests, ['(the file as a whole)', 'failed']] : tests
}

function read(file) {
  const { testResults } = JSON.parse(readFileSync(file, 'utf8'))
  return new Map(testResults.map(result => [result.name, testsOf(result)]))
}

const failedIn = tests => tests.filter(([, outcome]) => outcome === 'failed').map(([name]) => name)

function count(first, second) {
  const files = read(first)
  const again = second !== undefined && existsSync(second) ? read(second) : []
  for (const [file, tests] of again) {
    const unsteady = failedIn(tests).length === 0 ? failedIn(files.get(file) ?? []) : []
    for (const name of unsteady)
      process.stdout.write(`unsteady: ${relative(process.cwd(), file)} > ${name}\n`)
    files.set(file, tests)
  }
  const tests = [...files.values()].flat()
  const passed = tests.filter(([, outcome]) => outcome === 'passed').length
  const failed = failedIn(tests).length
  return { passed, failed, skipped: tests.length - passed - failed }
}

function countOrFail(first, second) {
  try {
    return count(first, second)
  } catch (error) {
    process.stderr.write(`no test report: ${error.message}\n`)
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

const [steps, first, second] = process.argv.slice(2)
const { passed, failed, skipped } = countOrFail(first, second)
// A step besides the tests, or an error outside every test, fails the run without failing a test.
const failures = Math.max(failed, Number(steps))
process.stdout.write(`${passed} passed, ${failures} failed, ${skipped} skipped\n`)
process.exitCode = failures === 0 && passed > 0 ? 0 : 1
