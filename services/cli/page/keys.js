// Keys of single segments, as `muniment keys data SEGMENT --print --json` prints them, as what opens an archive.
import { createSecretKey } from 'node:crypto'
import { AppError } from '@muniment/schema'

function invalid(number, why) {
  return new AppError('INVALID_INPUT', `Line ${number} of the segment keys ${why}.`, {
    hint: 'Give the lines that `muniment keys data SEGMENT --print --json` prints.',
  })
}

/** The name of a cut, which is the last part of its objects' names. */
function cutOf(segment) {
  return /\/([A-Za-z0-9._-]+-\d+-\d+-\d+)(?:\.parquet)?$/u.exec(segment)?.[1]
}

function parse(line, number) {
  let found
  try {
    found = JSON.parse(line)
  } catch {
    throw invalid(number, 'is not JSON')
  }
  const { segment, tenant, key_hex: hex } = found ?? {}
  const cut = typeof segment === 'string' ? cutOf(segment) : undefined
  if (cut === undefined || typeof tenant !== 'string') throw invalid(number, 'names no segment and tenant')
  if (typeof hex !== 'string' || !/^[0-9a-f]{64}$/iu.test(hex))
    throw invalid(number, 'has no key of 32 bytes')
  return [`${tenant} ${cut}`, createSecretKey(Buffer.from(hex, 'hex'))]
}

/** What opens the segments named in `text`, one a line; `undefined` where there is none. */
export function parseSegmentKeys(text) {
  const lines = text.split('\n').map(line => line.trim())
  const entries = lines.flatMap((line, at) => (line === '' ? [] : [parse(line, at + 1)]))
  if (entries.length === 0) return undefined
  const keys = new Map(entries)
  return {
    async openDataKey(tenant, context) {
      const key = keys.get(`${tenant} ${context}`)
      if (key !== undefined) return key
      throw new AppError('KEY_NOT_GIVEN', `No key was given for ${context} of tenant ${tenant}.`)
    },
  }
}
