import { isUtf8 } from 'node:buffer'
import type { Finding, Masked } from '@muniment/pii'
import { isMembers, member, type Members } from '../../json.ts'
import { andThen, type Soon } from '../../soon.ts'

type Holder = Record<string, unknown>

function isHolder(value: unknown): value is Holder {
  return isMembers(value)
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value]
}

/** Lists of content blocks and of messages that hold such blocks, wherever the protocol has them. */
function roots({ result, params }: Members): readonly unknown[] {
  const rounds = member(result, 'inputRequests')
  const asked = isMembers(rounds) ? Object.values(rounds).map(each => member(each, 'params')) : []
  return [
    ...['content', 'contents', 'messages'].map(name => member(result, name)),
    ...[params, ...asked].map(each => member(each, 'messages')),
  ]
}

interface Blob {
  readonly holder: Holder
  readonly name: string
  readonly base64: string
}

function* blobsOf(block: unknown): Generator<Blob> {
  for (const [holder, name] of [
    [block, 'blob'],
    [block, 'data'],
    [member(block, 'resource'), 'blob'],
  ] as const) {
    const base64 = member(holder, name)
    if (isHolder(holder) && typeof base64 === 'string') yield { holder, name, base64 }
  }
}

function* blobsIn(message: Members): Generator<Blob> {
  for (const root of roots(message))
    for (const item of listOf(root)) {
      yield* blobsOf(item)
      for (const block of listOf(member(item, 'content'))) yield* blobsOf(block)
    }
}

interface Decoded {
  readonly text: string
  readonly encoding: 'utf8' | 'latin1'
}

/** What is text in some alphabet; a zero byte is in none that is read here. */
function decode(base64: string): Decoded | undefined {
  const bytes = Buffer.from(base64, 'base64')
  if (isUtf8(bytes)) return { text: bytes.toString(), encoding: 'utf8' }
  return bytes.includes(0) ? undefined : { text: bytes.toString('latin1'), encoding: 'latin1' }
}

/** A message's text with the texts in its base64 members masked, and what was found in them. */
interface MaskedBlobs {
  readonly text: string
  readonly findings: readonly Finding[]
}

const nothing: readonly Finding[] = []

function replaceAll(blobs: readonly Blob[], mask: (text: string) => Soon<Masked>): Soon<readonly Finding[]> {
  const [first, ...others] = blobs
  if (first === undefined) return nothing
  const decoded = decode(first.base64)
  if (decoded === undefined) return replaceAll(others, mask)
  return andThen(mask(decoded.text), ({ text, findings }) => {
    if (text !== decoded.text)
      first.holder[first.name] = Buffer.from(text, decoded.encoding).toString('base64')
    return andThen(replaceAll(others, mask), more => [...findings, ...more])
  })
}

/** Masks what is text behind base64, so that it stays base64. */
export function maskBlobs(text: string, mask: (text: string) => Soon<Masked>): Soon<MaskedBlobs> {
  if (!text.includes('"blob":') && !text.includes('"data":')) return { text, findings: nothing }
  const message: unknown = JSON.parse(text)
  const blobs = isMembers(message) ? [...blobsIn(message)] : []
  return andThen(replaceAll(blobs, mask), findings => ({
    text: findings.length === 0 ? text : JSON.stringify(message),
    findings,
  }))
}
