import type { Archive, CommittedManifest } from '@muniment/archive'
import { topic, topics } from '@muniment/schema'
import type { Catalogue } from './catalogue.ts'

/** Topics whose records are archived. */
const archivedTopics = [topic.events, topic.alerts, topic.control] as const

/** Manifests are added in groups, so that an interrupted catch-up keeps what it has. */
const groupSize = 256

function partitionsOf(name: string, known: readonly CommittedManifest[]): readonly number[] {
  const spec = topics.find(each => each.name === name)?.partitions ?? 1
  const highest = known.reduce((max, { manifest }) => Math.max(max, manifest.partition), -1)
  // One more than is known, so that an installation with more partitions than the table is found as it grows.
  return Array.from({ length: Math.max(spec, highest + 2) }, (_, partition) => partition)
}

interface Chain {
  readonly topic: string
  readonly partition: number
  readonly last: CommittedManifest | undefined
}

/** What a catalogue is made from. */
export interface CatchUpContext {
  readonly archive: Archive
  readonly catalogue: Catalogue
  readonly signal: AbortSignal
}

/** Adds what came after `last`; `false` where it does not continue the chain that the catalogue knows. */
async function follow({ archive, catalogue, signal }: CatchUpContext, chain: Chain): Promise<boolean> {
  const { topic: name, partition, last } = chain
  let previous = last?.sha256
  let group: CommittedManifest[] = []
  const after = last === undefined ? {} : { after: last.key }
  for await (const found of archive.manifests(name, { partition, signal, ...after })) {
    // Whether a chain is whole is the verifier's question; here it only tells whether the catalogue is of this archive.
    if (last !== undefined && found.manifest.previous !== previous) return false
    previous = found.sha256
    group.push(found)
    if (group.length < groupSize) continue
    catalogue.add(group)
    group = []
  }
  if (group.length > 0) catalogue.add(group)
  return true
}

async function catchUpPartition(context: CatchUpContext, chain: Chain): Promise<void> {
  if (await follow(context, chain)) return
  context.catalogue.forget(chain.topic, chain.partition)
  await follow(context, { ...chain, last: undefined })
}

/** Brings the catalogue to the newest manifest of every partition. */
export async function catchUp(context: CatchUpContext): Promise<void> {
  const chains = archivedTopics.flatMap(name => {
    const newest = context.catalogue.newest(name)
    const lastOf = (partition: number): CommittedManifest | undefined =>
      newest.find(({ manifest }) => manifest.partition === partition)
    return partitionsOf(name, newest).map(partition => ({ topic: name, partition, last: lastOf(partition) }))
  })
  await Promise.all(chains.map(chain => catchUpPartition(context, chain)))
}

async function isThere({ archive, signal }: CatchUpContext, last: CommittedManifest): Promise<boolean> {
  const { topic: name, partition, first_offset: first } = last.manifest
  const before = last.key.replace(/\d{20}\.json$/u, `${String(first - 1).padStart(20, '0')}.json`)
  const after = first === 0 ? {} : { after: before }
  for await (const found of archive.manifests(name, { partition, signal, ...after }))
    return found.key === last.key && found.sha256 === last.sha256
  return false
}

/** Forgets partitions whose newest known manifest is not what the archive has there now. */
export async function checkCatalogue(context: CatchUpContext): Promise<void> {
  const known = archivedTopics.flatMap(name => context.catalogue.newest(name))
  const check = async (last: CommittedManifest): Promise<void> => {
    const { topic: name, partition } = last.manifest
    if (!(await isThere(context, last))) context.catalogue.forget(name, partition)
  }
  await Promise.all(known.map(check))
}
