import { z } from 'zod'
import { topics, type TopicSpec } from './topics.ts'

type Json = Readonly<Record<string, unknown>>

function messageName(spec: TopicSpec): string {
  return spec.name.replaceAll(/[^a-z]+(?<next>[a-z])/gu, (_, next: string) => next.toUpperCase())
}

function channel(spec: TopicSpec): Json {
  return {
    address: spec.name,
    description: `${spec.summary}. Key: ${spec.key}.`,
    messages: { [messageName(spec)]: { $ref: `#/components/messages/${messageName(spec)}` } },
    bindings: {
      kafka: {
        topic: spec.name,
        partitions: spec.partitions,
        topicConfiguration:
          spec.retentionMs === undefined
            ? { 'cleanup.policy': ['compact'] }
            : { 'cleanup.policy': ['delete'], 'retention.ms': spec.retentionMs },
        bindingVersion: '0.5.0',
      },
    },
  }
}

function message(spec: TopicSpec): Json {
  const payload = spec.schema && z.toJSONSchema(spec.schema, { target: 'draft-7', unrepresentable: 'any' })
  return { summary: spec.summary, contentType: spec.contentType, ...(payload && { payload }) }
}

function operation(spec: TopicSpec): Json {
  return {
    action: 'receive',
    channel: { $ref: `#/channels/${messageName(spec)}` },
    messages: [{ $ref: `#/channels/${messageName(spec)}/messages/${messageName(spec)}` }],
  }
}

function byName<T>(make: (spec: TopicSpec) => T, specs: readonly TopicSpec[] = topics): Record<string, T> {
  return Object.fromEntries(specs.map(spec => [messageName(spec), make(spec)]))
}

/** The AsyncAPI 3.0 document of every topic; the operations are those that a subscriber may use. */
export function asyncApiDocument(version: string): Json {
  const open = topics.filter(spec => spec.readers.includes('subscriber'))
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Muniment topics',
      version,
      description:
        'Topics of Muniment under their default names. Records are CloudEvents 1.0 in binary mode: attributes are `ce_` headers, the value is the data.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    channels: byName(channel),
    operations: Object.fromEntries(open.map(spec => [`receive_${messageName(spec)}`, operation(spec)])),
    components: { messages: byName(message) },
  }
}
