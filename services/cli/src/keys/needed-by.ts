import { openArchive, type ArchiveStore, type CommittedManifest, type Segment } from '@muniment/archive'
import type { Bus } from '@muniment/bus'
import { createControlVerifier, type Keys, type SecretName } from '@muniment/keys'
import { decisionSchema, deadLetterTopic, topic } from '@muniment/schema'

/** What may still depend on a generation, and where to look for it. */
export interface Dependents {
  readonly keys: Keys
  readonly store: ArchiveStore
  readonly bus: Bus
  readonly signal: AbortSignal
}

type Found = AsyncIterable<string>

async function* tenantKeysUnder({ keys }: Dependents, root: string): Found {
  for (const each of await keys.admin.tenants.list())
    if (each.root === root)
      yield `the key ${each.generation} of tenant ${each.tenant} (run: muniment keys rewrap)`
}

/** Batches that nobody has opened for good yet: on their topic, and given up. */
async function* batchesFor({ bus, signal }: Dependents, kid: string): Found {
  for (const name of [topic.raw, deadLetterTopic(topic.raw)])
    for await (const { headers, partition, offset } of bus.read({ topic: name, untilEnd: true, signal }))
      if (headers['mun_kid'] === kid) yield `the sealed batch ${name}/${partition}/${offset}`
}

/** Decisions in force that no other generation has signed. */
async function* decisionsOnlyBy({ keys, bus, signal }: Dependents, id: string): Found {
  const others = (await keys.controlPublicKeys()).filter(key => !key.startsWith(`${id}.`))
  const verifier = createControlVerifier(others)
  for await (const { value } of bus.read({ topic: topic.control, untilEnd: true, signal })) {
    const decision = decisionSchema.safeParse(parse(value)).data
    if (decision === undefined || Date.parse(decision.expires) < Date.now() || verifier.verify(decision))
      continue
    yield `the decision ${decision.scope}/${decision.value}, version ${decision.version}`
  }
}

function parse(value: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(value).toString())
  } catch {
    return undefined
  }
}

/** The checkpoint, where nobody has signed the log since. */
async function* checkpointBy({ keys, store }: Dependents): Found {
  const note = (await store.checkpoint.read())?.bytes.toString()
  if (note === undefined) return
  const { name, keyId } = await keys.logSigner()
  const signatures = note.split('\n').filter(line => line.startsWith(`— ${name} `))
  const isBy = (line: string): boolean =>
    Buffer.from(line.split(' ')[2] ?? '', 'base64')
      .subarray(0, 4)
      .equals(keyId)
  if (!signatures.some(isBy)) yield 'the checkpoint of the log, which the current key has not signed yet'
}

/** Digests and keyed tokens are compared, never opened: without the key, old and new ones cannot be compared any more, and that is all. */
async function* vaultRowsUnder({ keys }: Dependents, id: string): Found {
  for await (const place of keys.vault.under(id))
    yield `the row ${place} of the token vault (run: muniment keys rewrap)`
}

/** What still needs a generation of a secret, one line each. */
export function neededBy(name: SecretName, id: string, dependents: Dependents): Found {
  const search: Readonly<Record<SecretName, () => Found>> = {
    root: () => tenantKeysUnder(dependents, id),
    ingest: () => batchesFor(dependents, id),
    control: () => decisionsOnlyBy(dependents, id),
    log: () => checkpointBy(dependents),
    masking: () => vaultRowsUnder(dependents, id),
  }
  return search[name]()
}

const archivedTopics = [topic.events, topic.alerts, topic.control]

async function isThere(
  store: ArchiveStore,
  { manifest }: CommittedManifest,
  segment: Segment,
): Promise<boolean> {
  const object = manifest.objects[segment.object]
  return object !== undefined && (await store.head(object.key, object.version)) !== undefined
}

async function* chain<T>(sources: readonly AsyncIterable<T>[]): AsyncIterable<T> {
  for (const source of sources) yield* source
}

async function* thereUnder(
  store: ArchiveStore,
  found: CommittedManifest,
  of: { readonly tenant: string; readonly generation: string },
): Found {
  for (const segment of found.manifest.segments) {
    if (segment.tenant !== of.tenant || segment.key_generation !== of.generation) continue
    if (await isThere(store, found, segment)) yield found.manifest.objects[segment.object]?.key ?? found.key
  }
}

/** Archived segments that only this generation of a tenant's key opens; those whose objects have expired do not count. */
export async function* segmentsUnder(
  { store, keys, signal }: Dependents,
  tenant: string,
  generation: string,
): Found {
  const { manifests } = openArchive({ store, keys: keys.segmentKeys })
  const all = chain(archivedTopics.map(name => manifests(name, { signal })))
  for await (const found of all) yield* thereUnder(store, found, { tenant, generation })
}
