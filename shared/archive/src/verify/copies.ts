import type { CommittedManifest } from '../format/manifest.ts'
import { objectName } from './leftovers.ts'
import type { Finding } from './report.ts'

/** A version of an object. */
interface Pinned {
  readonly key: string
  readonly version: string
}

/** The version of a file that stands alone. */
const onlyVersion = '0'
/** How folders and memory name versions; whatever else a manifest names is of a bucket. */
const ownForm = /^(?:0|[0-9a-f]{12})$/u

/**
 * The name under which an object is looked for. A folder to which somebody copied a bucket has files, and none of the versions that manifests name:
 * there the file is taken for the version, and its SHA-256 tells whether it is.
 */
export function placeOf(listedSizes: ReadonlyMap<string, number>, { key, version }: Pinned): Pinned {
  if (ownForm.test(version) || listedSizes.has(objectName({ key, version }))) return { key, version }
  const alone = { key, version: onlyVersion }
  return listedSizes.has(objectName(alone)) ? alone : { key, version }
}

/** Says once that what was verified is a copy of a bucket. */
export function noteCopy(
  committed: Iterable<CommittedManifest>,
  listedSizes: ReadonlyMap<string, number>,
  notes: Finding[],
): void {
  for (const { manifest } of committed)
    for (const object of manifest.objects) {
      if (placeOf(listedSizes, object).version === object.version) continue
      const reason =
        'this is a copy of a bucket without its versions and locks: every byte was compared with its hash, what the bucket keeps was not'
      notes.push({ code: 'store.copied', object: object.key, reason })
      return
    }
}
