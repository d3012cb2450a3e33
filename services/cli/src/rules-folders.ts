import { pathToFileURL } from 'node:url'
import type { Config } from '@muniment/runtime'

/** The folders of rules beside the shipped ones. */
export function rulesFolders({ rulesFolder }: Pick<Config, 'rulesFolder'>): readonly URL[] {
  return rulesFolder === undefined ? [] : [pathToFileURL(`${rulesFolder}/`)]
}
