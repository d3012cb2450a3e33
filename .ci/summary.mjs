// Prints `N passed, N failed, N skipped` from vitest's JSON report and exits 1 unless all that ran passed.
// Usage: node summary.mjs REPORT FAILURES, where FAILURES counts the steps that failed, tests included.
import { readFileSync } from 'node:fs'

/** Test files that broke before their tests ran count as one failure each: vitest counts no test for them. */
function brokenFiles(report) {
  return report.testResults.filter(
    file => file.status === 'failed' && !file.assertionResults.some(test => test.status === 'failed'),
  ).length
}

function count(file) {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8'))
    return {
      passed: report.numPassedTests,
      failed: report.numFailedTests + brokenFiles(report),
      skipped: report.numPendingTests + report.numTodoTests,
    }
  } catch (error) {
    process.stderr.write(`no test report: ${error.message}\n`)
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

const [file, steps] = process.argv.slice(2)
const { passed, failed, skipped } = count(file)
// A step besides the tests, or an error outside every test, fails the run without failing a test.
const failures = Math.max(failed, Number(steps))
process.stdout.write(`${passed} passed, ${failures} failed, ${skipped} skipped\n`)
process.exitCode = failures === 0 && passed > 0 ? 0 : 1
