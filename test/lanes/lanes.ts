// Which real servers the tests may use on this machine, and why not where they may not.
import { beforeAll, describe } from 'vitest'
import { isMandatory, mayInstall } from './environment.ts'
import { installTools, laneTools, missingPrograms, type LaneName } from './tools.ts'

type Lane = { readonly isAvailable: true } | { readonly isAvailable: false; readonly reason: string }

const installTimeoutMs = 25 * 60_000

/**
 * Whether tests may use these servers: always where `CI` is set (then a lane that cannot run fails), else where its
 * tools are at hand. A test never starts a long download by itself unless `MUNIMENT_TEST_INSTALL` is set.
 */
export function lane(name: LaneName): Lane {
  if (isMandatory()) return { isAvailable: true }
  const missing = missingPrograms(name)
  if (missing.length > 0) return { isAvailable: false, reason: `${name} needs ${missing.join(', ')}` }
  const { isInstalled, cost } = laneTools[name]
  if (isInstalled() || mayInstall()) return { isAvailable: true }
  return { isAvailable: false, reason: `${name} needs \`npx node test/lanes/install.ts ${name}\`: ${cost}` }
}

/**
 * `describe` for tests that need real servers: they run where all the lanes are available, else count as skipped and
 * the reason is printed.
 */
export function describeLanes(names: readonly LaneName[], title: string, tests: () => void): void {
  const reasons = names.map(lane).flatMap(each => (each.isAvailable ? [] : [each.reason]))
  if (reasons.length > 0) {
    process.stderr.write(`skipped: ${title} (${reasons.join('; ')})\n`)
    describe.skip(`${title} (${reasons.join('; ')})`, tests)
    return
  }
  describe(title, () => {
    beforeAll(async () => {
      await installTools(names, line => process.stderr.write(`${line}\n`))
    }, installTimeoutMs)
    tests()
  })
}
