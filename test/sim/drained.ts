import { topic } from '@muniment/schema'
import type { Broker } from './broker.ts'
import { placeName } from './group.ts'
import type { World } from './run.ts'

const consumed = [
  ['muniment.masker', topic.raw],
  ['muniment.detector.content', topic.events],
  ['muniment.detector.behaviour', topic.signals],
] as const

/** Topics that go into the archive. */
const archivedTopics = [topic.events, topic.alerts, topic.control] as const

function lagging({ logs, groups }: Broker): string | undefined {
  for (const [name, topicName] of consumed)
    for (const [partition, log] of (logs.get(topicName) ?? []).entries()) {
      const place = { topic: topicName, partition }
      const members = groups.get(name)?.members() ?? []
      const isDone = members.some(member => (member.position(place) ?? -1) >= log.length)
      if (!isDone) return `${name} has not come to ${log.length} in ${placeName(place)}`
    }
  return undefined
}

function straying({ groups }: Broker): string | undefined {
  for (const { name, strays } of groups.values())
    for (const member of strays()) return `${member.name} has not heard that ${name} goes on without it`
  return undefined
}

/** Where each partition's archive ends, and how many manifests there are. */
async function archivePositions({
  site: { store },
}: World): Promise<{ readonly ends: ReadonlyMap<string, number>; readonly manifests: number }> {
  const ends = new Map<string, number>()
  let manifests = 0
  for await (const { key } of store.list('manifest/')) {
    manifests += 1
    const bytes = await store.get(key)
    const manifest: { topic: string; partition: number; next_offset: number } = JSON.parse(String(bytes))
    ends.set(placeName(manifest), manifest.next_offset)
  }
  return { ends, manifests }
}

/** How many manifests the signed checkpoint names. */
async function anchored({ site: { store } }: World): Promise<number> {
  const checkpoint = await store.checkpoint.read()
  return Number(checkpoint?.bytes.toString().split('\n')[1] ?? 0)
}

/** What still has to come to its end; empty where nothing has. */
export async function whatIsLeft(world: World): Promise<string> {
  const { broker } = world.site
  const full = world.producers.find(({ disk }) => disk.sizeBytes() > 0)
  if (full !== undefined) return `the spool of ${full.process.name} is not empty`
  const lag = straying(broker) ?? lagging(broker)
  if (lag !== undefined) return lag
  const { ends, manifests } = await archivePositions(world)
  for (const name of archivedTopics)
    for (const [partition, log] of (broker.logs.get(name) ?? []).entries()) {
      const place = placeName({ topic: name, partition })
      const end = ends.get(place) ?? 0
      if (end < log.length) return `the archive is at ${end} of ${log.length} in ${place}`
    }
  const logged = await anchored(world)
  return logged < manifests ? `the log has ${logged} of ${manifests} manifests` : ''
}
