// Who may do what on the brokers, derived from infra/kafka/topics.yaml.
import kafkajs, { type AclEntry, type ITopicConfig } from 'kafkajs'
import { z } from 'zod'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs

const topicSchema = z.object({
  name: z.string().min(1),
  partitions: z.int().positive(),
  config: z.record(z.string(), z.union([z.string(), z.number()])),
  write: z.array(z.string().min(1)),
  read: z.array(z.string().min(1)),
})

/** The checked content of topics.yaml. */
export const topicsFile = z.object({ topics: z.array(topicSchema) })

type Topic = z.infer<typeof topicSchema>

/** The topics as the brokers want them; the brokers decide on the number of copies. */
export function topicConfigs(topics: readonly Topic[]): ITopicConfig[] {
  return topics.map(({ name, partitions, config }) => ({
    topic: name,
    numPartitions: partitions,
    replicationFactor: -1,
    configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value: String(value) })),
  }))
}

function allow(role: string, operation: AclEntry['operation']): Omit<AclEntry, 'resourceName'> {
  return {
    principal: `User:${role}`,
    host: '*',
    operation,
    permissionType: AclPermissionTypes.ALLOW,
    resourceType: AclResourceTypes.TOPIC,
    resourcePatternType: ResourcePatternTypes.LITERAL,
  }
}

/** A role reads in consumer groups whose names begin with its own, so that no role can move another's offsets. */
function groupOf(role: string): AclEntry {
  return {
    ...allow(role, AclOperationTypes.READ),
    resourceType: AclResourceTypes.GROUP,
    resourceName: role,
    resourcePatternType: ResourcePatternTypes.PREFIXED,
  }
}

/** The access rules of the table: what no rule allows is refused. WRITE and READ imply DESCRIBE. */
export function accessRules(topics: readonly Topic[]): AclEntry[] {
  const rules = topics.flatMap(({ name, write, read }) => [
    ...write.map(role => ({ ...allow(role, AclOperationTypes.WRITE), resourceName: name })),
    ...read.map(role => ({ ...allow(role, AclOperationTypes.READ), resourceName: name })),
  ])
  const readers = new Set(topics.flatMap(({ read }) => read))
  return [...rules, ...[...readers].map(groupOf)]
}

/** A text that two rules share exactly when they say the same. */
export function ruleKey(rule: AclEntry): string {
  const { principal, host, operation, permissionType, resourceType, resourceName, resourcePatternType } = rule
  return [principal, host, operation, permissionType, resourceType, resourceName, resourcePatternType].join(
    ' ',
  )
}
