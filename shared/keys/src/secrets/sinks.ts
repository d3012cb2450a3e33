import { AppError } from '@muniment/schema'
import type { SecretStore } from './secrets.ts'

function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every(each => typeof each === 'string')
  )
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The secret `sinks`: keys, URLs and passwords of places that alerts go to, by name. Unlike keys they are somebody else's, so nothing makes them up. */
export async function readSinkSecrets(secrets: SecretStore): Promise<Readonly<Record<string, string>>> {
  const value = parse(await secrets.read('sinks'))
  if (isTexts(value)) return value
  throw new AppError('SECRET_MALFORMED', 'The secret sinks is not a JSON object of texts.', {
    hint: 'Write it as in {"pager": "…", "mail-password": "…"}.',
  })
}
