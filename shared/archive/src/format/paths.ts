/** A range of one partition, `next` excluded. */
export interface CutRange {
  readonly topic: string
  readonly partition: number
  readonly first: number
  readonly next: number
}

/** What a key of the archive names. */
export type ArchivePath =
  | ({ readonly kind: 'segment' | 'bundle' } & CutRange)
  | ({ readonly kind: 'tree' } & CutRange)
  | { readonly kind: 'manifest'; readonly topic: string; readonly partition: number; readonly first: number }
  | { readonly kind: 'body' | 'log' }

/** Wide enough for every safe integer, so that keys sort as numbers do. */
const positionDigits = 20

function utc(timeMs: number): { readonly date: string; readonly hour: string } {
  const iso = new Date(timeMs).toISOString()
  return { date: iso.slice(0, 10), hour: iso.slice(11, 13) }
}

function cutName({ topic, partition, first, next }: CutRange): string {
  return `${topic}-${partition}-${first}-${next - 1}`
}

/** Key of a tenant's own segment; `timeMs` only groups keys for people and life-cycle rules. */
export function segmentKey(cut: CutRange, tenant: string, timeMs: number): string {
  const { date, hour } = utc(timeMs)
  return `seg/v1/t=${tenant}/d=${date}/h=${hour}/${cutName(cut)}.parquet`
}

/** Key of the object that the small tenants of a cut and of one retention class share. */
export function bundleKey(cut: CutRange, retentionClass: string, timeMs: number): string {
  return `bundle/v1/${retentionClass}/d=${utc(timeMs).date}/${cutName(cut)}`
}

/** Key of a large body, named by its content; `timeMs` is when its cut was sealed. */
export function bodyKey(tenant: string, timeMs: number, digest: string): string {
  return `body/v1/t=${tenant}/d=${utc(timeMs).date}/${digest}`
}

/** Key of the leaf hashes beside a segment or bundle. */
export function treeKey(dataKey: string): string {
  return `${dataKey.replace(/\.parquet$/u, '')}.tree`
}

/** What all manifests of a partition's keys start with. */
export function manifestPrefix(topic: string, partition?: number): string {
  return partition === undefined ? `manifest/v1/${topic}/` : `manifest/v1/${topic}/${partition}/`
}

/** Key of the manifest at a position. */
export function manifestKey(topic: string, partition: number, firstOffset: number): string {
  return `${manifestPrefix(topic, partition)}${String(firstOffset).padStart(positionDigits, '0')}.json`
}

const topicPart = '(?<topic>[A-Za-z0-9._-]+)'
const cutPart = `${topicPart}-(?<partition>\\d+)-(?<first>\\d+)-(?<last>\\d+)`
const patterns: readonly (readonly [ArchivePath['kind'], RegExp])[] = [
  ['segment', new RegExp(`^seg/v1/t=[^/]+/d=[0-9-]{10}/h=\\d\\d/${cutPart}\\.parquet$`, 'u')],
  ['tree', new RegExp(`^seg/v1/t=[^/]+/d=[0-9-]{10}/h=\\d\\d/${cutPart}\\.tree$`, 'u')],
  ['tree', new RegExp(`^bundle/v1/[^/]+/d=[0-9-]{10}/${cutPart}\\.tree$`, 'u')],
  ['bundle', new RegExp(`^bundle/v1/[^/]+/d=[0-9-]{10}/${cutPart}$`, 'u')],
  ['manifest', new RegExp(`^manifest/v1/${topicPart}/(?<partition>\\d+)/(?<first>\\d{20})\\.json$`, 'u')],
  ['body', /^body\/v1\/t=[^/]+\/d=[0-9-]{10}\/[0-9a-f]{64}$/u],
  ['log', /^log\//u],
]

function numberIn(groups: Readonly<Record<string, string | undefined>>, name: string): number {
  return Number(groups[name] ?? 0)
}

/** What `key` names; `undefined` where it is not a key of the archive. */
export function parsePath(key: string): ArchivePath | undefined {
  for (const [kind, pattern] of patterns) {
    const match = pattern.exec(key)
    if (match === null) continue
    if (kind === 'log' || kind === 'body') return { kind }
    const { groups = {} } = match
    const place = {
      topic: groups['topic'] ?? '',
      partition: numberIn(groups, 'partition'),
      first: numberIn(groups, 'first'),
    }
    return kind === 'manifest' ? { kind, ...place } : { kind, ...place, next: numberIn(groups, 'last') + 1 }
  }
  return undefined
}
