import { readFileSync } from 'node:fs'
import { readConfig, type Config } from '@muniment/runtime'
import { AppError } from '@muniment/schema'

function readYaml(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw new AppError('CONFIG_INVALID', `${path} cannot be read.`, { cause })
  }
}

/** The configuration from the environment and from `muniment.yaml` in the working folder; the environment wins. */
export function readCliConfig(env: Readonly<Record<string, string | undefined>>): Config {
  return readConfig({ env, yaml: readYaml('muniment.yaml') })
}
