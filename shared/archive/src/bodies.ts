import type { KeyObject } from 'node:crypto'
import type { SegmentKeys } from '@muniment/keys'
import { largeBodies, takeOut, type BodyReference } from './format/large-bodies.ts'
import type { StoredObject } from './format/manifest.ts'
import { sealBody, type SealedBody } from './format/sealed-body.ts'
import { inOrder } from './in-order.ts'
import { putObject, uploadsAtOnce, type Content } from './objects.ts'
import { dayMs, lockedUntil, type Retention } from './retention.ts'
import type { ArchivedRow } from './segments.ts'
import type { Store } from './store/store.ts'

/** Where the bodies of a cut go. */
interface BodyContext {
  readonly store: Store
  readonly keys: Pick<SegmentKeys, 'contentKey'>
  readonly topic: string
  readonly sealedMs: number
  readonly retentionOf: (tenant: string) => Retention
  /** Bodies of as many bytes are moved. */
  readonly largerThan: number
}

function bytesOf(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

/** A day's bodies of one retention are locked alike, for as long as the last record that day that refers to one. */
function lockOf(sealedMs: number, { days }: Retention): Date | undefined {
  return lockedUntil((Math.floor(sealedMs / dayMs) + 1) * dayMs, days)
}

interface Owner {
  readonly tenant: string
  readonly retention: Retention
  readonly contentKey: KeyObject
}

function moveOut(
  context: BodyContext,
  owner: Owner,
  row: ArchivedRow,
): { readonly row: ArchivedRow; readonly sealed: readonly SealedBody[] } | undefined {
  const record = bytesOf(row.raw)
  const spans = largeBodies(context.topic, record, context.largerThan)
  if (spans.length === 0) return undefined
  const place = { tenant: owner.tenant, sealedMs: context.sealedMs, retention: String(owner.retention.days) }
  const sealed = spans.map(({ start, end }) => sealBody(record.subarray(start, end), owner.contentKey, place))
  const { stored, at } = takeOut(record, spans)
  const references = sealed.map(({ object, key }, index): BodyReference => ({
    at: at[index] ?? 0,
    size_bytes: (spans[index]?.end ?? 0) - (spans[index]?.start ?? 0),
    object,
    key,
  }))
  return { row: { raw: stored, offset: row.offset, bodies: JSON.stringify(references), record }, sealed }
}

/** Stores the large bodies of a cut as objects of their own and leaves in the rows where they are; nothing else refers to them until the manifest does. */
export async function moveBodies(
  context: BodyContext,
  groups: ReadonlyMap<string, { readonly rows: ArchivedRow[] }>,
): Promise<readonly StoredObject[]> {
  const bodies = new Map<string, Content>()
  for (const [tenant, { rows }] of groups) {
    if (!rows.some(({ raw }) => raw.length >= context.largerThan)) continue
    const retention = context.retentionOf(tenant)
    const owner = { tenant, retention, contentKey: await context.keys.contentKey(tenant) }
    const retainUntil = lockOf(context.sealedMs, retention)
    for (const [index, row] of rows.entries()) {
      const moved = moveOut(context, owner, row)
      if (moved === undefined) continue
      rows[index] = moved.row
      for (const { object, bytes } of moved.sealed) bodies.set(object, { bytes, retainUntil })
    }
  }
  const stored: StoredObject[] = []
  const work = ([key, content]: readonly [string, Content]): Promise<StoredObject> =>
    putObject(context.store, key, content)
  for await (const object of inOrder([...bodies], uploadsAtOnce, work)) stored.push(object)
  return stored
}
