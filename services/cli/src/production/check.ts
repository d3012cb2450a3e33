import { environmentChecks } from './environment.ts'
import { fileChecks, folderChecks } from './files.ts'
import type { Check, Facts, Finding, Starting } from './finding.ts'
import { guardChecks } from './guard.ts'
import { processChecks } from './process.ts'
import { settingChecks } from './defaults.ts'

const pipeline: readonly Check[] = [...processChecks, ...folderChecks, ...settingChecks]
const edge: readonly Check[] = [...environmentChecks, ...fileChecks, ...guardChecks]

const checksOf: Readonly<Record<Starting, readonly Check[]>> = {
  all: [...edge, ...pipeline],
  proxy: [...edge, ...pipeline],
  up: pipeline,
  worker: pipeline,
}

/** Everything that is to be said of a production set-up. Reads files that settings name; changes nothing. */
export function checkProduction(facts: Facts): readonly Finding[] {
  return checksOf[facts.starting].flatMap(check => check(facts))
}
