// Looks for text where it must not be: in every file that was written, and in every topic as a consumer reads it.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { BusRecord } from '@muniment/bus'
import { batchAad, isAppError, parseBatchHeaders, topic, topics } from '@muniment/schema'
import { openBusOf, type Installation } from './installation.ts'
import { strangeKeys } from './strange.ts'

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true
}

/** A file that is rotated away while it is looked for holds nothing any more. */
function contentOf(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch {
    return Buffer.alloc(0)
  }
}

/** The files of an installation, and what its processes printed, that hold one of the texts. */
export function filesWith({ places, workers }: Installation, texts: readonly string[]): readonly string[] {
  const holds = (content: Buffer): boolean => texts.some(text => content.includes(text))
  const files = places
    .flatMap(place => readdirSync(place, { recursive: true }).map(name => join(place, String(name))))
    .filter(isFile)
  if (files.length < 5) throw new Error(`only ${files.length} files were looked into`)
  const printed = Array.from(workers).filter(([, { log }]) => holds(Buffer.from(log())))
  return files.filter(file => holds(contentOf(file))).concat(printed.map(([name]) => `log of ${name}`))
}

function textOf({ key, value, headers }: BusRecord): string {
  return `${key ?? ''}\n${JSON.stringify(headers)}\n${Buffer.from(value).toString()}`
}

/** The topics that hold one of the texts in the key, the headers or the value of a record. */
export async function topicsWith(it: Installation, texts: readonly string[]): Promise<readonly string[]> {
  await using bus = await openBusOf(it.owner)
  const found = new Set<string>()
  let records = 0
  for (const { name } of topics)
    for await (const record of bus.read({
      topic: name,
      untilEnd: true,
      signal: AbortSignal.timeout(30_000),
    })) {
      records += 1
      if (texts.some(text => textOf(record).includes(text))) found.add(name)
    }
  if (records === 0) throw new Error('there are no records to look into')
  return Array.from(found)
}

/** How many sealed batches there are, and how many of them keys other than the masker's do not open. */
export async function sealedFrom(
  it: Installation,
): Promise<{ readonly records: number; readonly unsealable: number }> {
  await using bus = await openBusOf(it.owner)
  const keys = await strangeKeys()
  let [records, unsealable] = [0, 0]
  const signal = AbortSignal.timeout(30_000)
  for await (const { key, headers, value } of bus.read({ topic: topic.raw, untilEnd: true, signal })) {
    const batch = parseBatchHeaders(key, headers)
    records += 1
    await keys.unseal(batch.kid, value, batchAad(batch)).catch((error: unknown) => {
      if (isAppError(error, 'BATCH_UNREADABLE')) unsealable += 1
    })
  }
  return { records, unsealable }
}
