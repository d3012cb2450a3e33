import {
  cosignedPrefix,
  entriesOf,
  parseTileKey,
  sequencePrefix,
  tileKey,
  tilesBetween,
} from '../format/tiles.ts'
import { inOrder } from '../in-order.ts'
import { tileBytes } from '../log-state.ts'
import { checkpointKey } from '../store/checkpoint-store.ts'
import { report, type Working } from './log-working.ts'

const objectsAhead = 16

/** Every tile and bundle in the store must follow from the entries; so must everything a checkpoint needs be there. */
export async function checkTiles(working: Working, size: number): Promise<void> {
  const { store, listed } = working.input
  const present = new Set<string>()
  const tiles = listed.flatMap(({ key, version, isDeleteMarker }) => {
    const tile = isDeleteMarker ? undefined : parseTileKey(key)
    return tile === undefined ? [] : [{ key, version, tile }]
  })
  const read = async ({ key, version, tile }: (typeof tiles)[number]): Promise<void> => {
    present.add(key)
    const expected = tileBytes(working.state, tile)
    const bytes = await store.get(key, { version })
    if (expected === undefined || bytes?.equals(expected) !== true) {
      report(working, 'log.tile', {
        object: key,
        reason: 'does not follow from the entries of the log',
        entries: entriesOf(tile),
      })
    }
  }
  for await (const _ of inOrder(tiles, objectsAhead, read)) continue
  for (const tile of tilesBetween(0, size)) {
    const key = tileKey(tile)
    if (!present.has(key))
      report(working, 'log.tile', { object: key, reason: 'is missing', entries: entriesOf(tile) })
  }
}

/** Nothing else may lie below `log/`, and nothing may be hidden there. */
export function checkStrangers(working: Working): void {
  for (const info of working.input.listed) {
    const isKnown =
      info.key === checkpointKey ||
      info.key.startsWith(sequencePrefix) ||
      info.key.startsWith(cosignedPrefix) ||
      parseTileKey(info.key) !== undefined
    if (info.isDeleteMarker) {
      report(working, 'object.hidden', { object: info.key, reason: 'hidden by a delete marker' })
    } else if (!isKnown) {
      report(working, 'object.foreign', { object: info.key, reason: 'the log has no object of this name' })
    }
  }
}
