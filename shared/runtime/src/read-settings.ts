import { readFileSync } from 'node:fs'
import { invalid } from './invalid.ts'
import { settings, type Setting, type SettingName, type SettingValues } from './settings.ts'
import {
  entries,
  fromEnvironment,
  fromYaml,
  type Environment,
  type WrittenFile,
  type WrittenSettings,
} from './sources.ts'

/** What {@link readConfig} reads. */
export interface ConfigSources {
  readonly env: Environment
  /** The text of `muniment.yaml`, where there is one. */
  readonly yaml?: string | undefined
  /** Reads the files that settings name; default: from the disk. */
  readonly readFile?: (path: string) => string
}

/** Settings of one environment and file; the environment wins. */
export interface Read {
  readonly value: <N extends SettingName>(name: N) => SettingValues[N]
  /** The setting as the person wrote it, for messages; the variable where nobody wrote it. */
  readonly as: (name: SettingName) => string
  readonly isSet: (name: SettingName) => boolean
  readonly sections: WrittenFile['sections']
  /** The content of the file that a setting names. */
  readonly file: (name: SettingName, path: string) => string
}

function shown({ isSecret }: Setting, text: string): string {
  return isSecret === true ? '' : `, not ${JSON.stringify(text.slice(0, 100))}`
}

function parseValue<N extends SettingName>(name: N, written: WrittenSettings): SettingValues[N]
function parseValue(name: SettingName, written: WrittenSettings): unknown {
  const setting: Setting = settings[name]
  const value = written.get(name)
  const parsed = setting.schema.safeParse(value?.text ?? setting.default)
  if (parsed.success) return parsed.data
  throw invalid(value?.as ?? setting.env, `must be ${setting.expects}${shown(setting, value?.text ?? '')}.`)
}

/** A secret that may be written as such or lie in a file, not both. */
export function secretOf(
  read: Read,
  inline: 'webhook.secret' | 'kafka.sasl_password' | 'device.key',
  inFile: 'webhook.secret_file' | 'kafka.sasl_password_file' | 'device.key_file',
): string | undefined {
  const [text, path] = [read.value(inline), read.value(inFile)]
  if (text !== undefined && path !== undefined)
    throw invalid(read.as(inline), `and ${read.as(inFile)} are both set.`, 'Keep one of them.')
  if (path === undefined) return text
  const content = read.file(inFile, path).trimEnd()
  if (!settings[inline].schema.safeParse(content).success)
    throw invalid(read.as(inFile), `names a file whose content must be ${settings[inline].expects}.`)
  return content
}

/** Reads and checks every setting. Throws `CONFIG_INVALID`, naming the setting, for what is unknown or unfit. */
export function readSettings({ env, yaml, readFile }: ConfigSources): Read {
  const file = fromYaml(yaml ?? '')
  const written = new Map([...file.settings, ...fromEnvironment(env)])
  const as = (name: SettingName): string => written.get(name)?.as ?? settings[name].env
  // Each is parsed, so that what this process does not use is not wrong either.
  for (const [name] of entries) parseValue(name, written)
  return {
    value: name => parseValue(name, written),
    as,
    isSet: name => written.has(name),
    sections: file.sections,
    file(name, path) {
      try {
        return (readFile ?? (each => readFileSync(each, 'utf8')))(path)
      } catch (error) {
        const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
        throw invalid(as(name), `names a file that cannot be read: ${path} (${reason}).`)
      }
    },
  }
}
