import type { SegmentKeys } from '@muniment/keys'

/** What opens segments: all that a reader needs of the keys. One that holds the keys of some segments rejects with `KEY_NOT_GIVEN` for the others. */
export type SegmentOpener = Pick<SegmentKeys, 'openDataKey'>

/** What a wrapped data key is bound to beside its tenant: the segment's position, the same wherever its bytes lie. */
export function keyContext(cut: {
  readonly topic: string
  readonly partition: number
  readonly first_offset: number
  readonly next_offset: number
}): string {
  return `${cut.topic}-${cut.partition}-${cut.first_offset}-${cut.next_offset - 1}`
}
