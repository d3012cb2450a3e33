// `npx node test/lanes/install.ts [kafka] [s3] [secrets] [judges] [browser] [conformance] [inspector] [nodes] [pyarrow] [kafka-python] [parquet-java] [aics-tlog]`:
// fetches and builds what the lanes of the tests need, all of them by default. May be run again, and by several at once.
import { installTools, laneTools, type LaneName } from './tools.ts'

function isLaneName(text: string): text is LaneName {
  return text in laneTools
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter(name => !isLaneName(name))
const names = (wanted.length === 0 ? Object.keys(laneTools) : wanted).filter(isLaneName)

if (unknown.length > 0) {
  process.stderr.write(`no lane ${unknown.join(', ')}; there are ${Object.keys(laneTools).join(', ')}\n`)
  process.exitCode = 2
} else {
  await installTools(names, line => process.stderr.write(`${line}\n`))
  process.stderr.write(`ready: ${names.join(', ')}\n`)
}
