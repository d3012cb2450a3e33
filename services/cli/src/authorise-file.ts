import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseYaml } from '@muniment/runtime'
import { AppError } from '@muniment/schema'

type Map = Readonly<Record<string, unknown>>

function isMap(value: unknown): value is Map {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A map from a YAML file. Throws `CONFIG_INVALID`. */
export function readMap(path: string): Map {
  try {
    return parseYaml(readFileSync(path, 'utf8'), path).value
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    throw new AppError('CONFIG_INVALID', `${path} cannot be read.`, { cause })
  }
}

function under(folder: string, path: unknown): unknown {
  return typeof path === 'string' ? resolve(folder, path) : path
}

/** Rules of `authorise()` as a file holds them: the files that they name lie beside it. What they say is checked by who opens them. */
export function placedRules(rules: Map, folder: string): Map {
  const { policies } = rules
  if (!isMap(policies)) return rules
  const { files, tools } = policies
  return {
    ...rules,
    policies: {
      ...policies,
      files: Array.isArray(files) ? files.map(file => under(folder, file)) : files,
      ...(tools !== undefined && { tools: under(folder, tools) }),
    },
  }
}

/** The rules of a file. Throws `CONFIG_INVALID` where it is no map. */
export function readRules(path: string): Map {
  return placedRules(readMap(path), dirname(path))
}
