import { openArchive, type CommittedManifest, type Segment } from '@muniment/archive'
import { AppError } from '@muniment/schema'
import { perform } from '../acts.ts'
import type { Call } from '../command.ts'
import { openKeysOf, openStoreOf } from '../context.ts'
import { argument, flag, textOption } from '../options.ts'

interface Place {
  readonly objectKey: string
  readonly tenant: string | undefined
}

/** The one segment that is meant; a bundle holds those of many tenants. */
function segmentOf({ manifest }: CommittedManifest, { objectKey, tenant }: Place): Segment {
  const inObject = manifest.segments.filter(({ object }) => manifest.objects[object]?.key === objectKey)
  const meant = inObject.filter(each => tenant === undefined || each.tenant === tenant)
  const [segment] = meant
  if (segment !== undefined && meant.length === 1) return segment
  throw new AppError(
    'INVALID_INPUT',
    meant.length === 0
      ? `${objectKey} has no segment of that tenant.`
      : `${objectKey} holds the segments of ${inObject.length} tenants: say which with --tenant.`,
  )
}

/** Prints the key of one segment, for use in Spark, DataFusion or PyArrow. */
export async function showDataKey(call: Call): Promise<number> {
  const objectKey = argument(call.args, 1, 'segment')
  if (!flag(call.options, 'print'))
    throw new AppError(
      'INVALID_INPUT',
      'The key opens the segment for whoever sees it: add --print if you mean it.',
    )
  const config = await call.config()
  await using context = await openKeysOf(config)
  await using store = await openStoreOf(config)
  const archive = openArchive({ store, keys: context.keys.segmentKeys })
  const found = await archive.manifestOf(objectKey)
  if (found === undefined) throw new AppError('NOT_FOUND', `No manifest names the object ${objectKey}.`)
  const segment = segmentOf(found, { objectKey, tenant: textOption(call.options, 'tenant') })
  const { tenant, start, size_bytes: sizeBytes, sha256 } = segment
  let hex = ''
  await perform(config, { name: 'keys.data', target: objectKey, details: { tenant, sha256 } }, async () => {
    hex = (await archive.dataKey(found, segment)).export().toString('hex')
    return {}
  })
  call.printer.answer({ segment: objectKey, tenant, start, size_bytes: sizeBytes, key_hex: hex }, () => hex)
  return 0
}
