// Who may do what on the brokers, derived from the topic table.
import kafkajs, { type AclEntry } from 'kafkajs'
import type { TopicSpec } from '@muniment/schema'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs

type Operation = AclEntry['operation']
type Table = readonly Pick<TopicSpec, 'name' | 'readers' | 'writers'>[]

const defaultPrefix = 'mcp.'

function allowTopic(role: string, topic: string, operation: Operation): AclEntry {
  return {
    principal: `User:${role}`,
    host: '*',
    operation,
    permissionType: AclPermissionTypes.ALLOW,
    resourceType: AclResourceTypes.TOPIC,
    resourceName: topic,
    resourcePatternType: ResourcePatternTypes.LITERAL,
  }
}

function allowGroup(role: string, prefix: string, operation: Operation): AclEntry {
  return {
    ...allowTopic(role, prefix, operation),
    resourceType: AclResourceTypes.GROUP,
    resourcePatternType: ResourcePatternTypes.PREFIXED,
  }
}

/**
 * A role reads in consumer groups of its own, so that none can move another's offsets. Reads without a memory use a
 * group of a random name, which is deleted afterwards. Alerts are delivered by who may subscribe to them.
 */
function groupRules(role: string, onBus: (group: string) => string): readonly AclEntry[] {
  const own = role === 'subscriber' ? ['muniment.subscriber', 'muniment.alerts.'] : [`muniment.${role}`]
  const once = onBus('muniment.read.')
  return [
    ...own.map(prefix => allowGroup(role, onBus(prefix), AclOperationTypes.READ)),
    allowGroup(role, once, AclOperationTypes.READ),
    allowGroup(role, once, AclOperationTypes.DELETE),
  ]
}

/** The access rules of the table: what no rule allows is refused. WRITE and READ imply DESCRIBE. */
export function accessRules(table: Table, topicPrefix: string = defaultPrefix): readonly AclEntry[] {
  const onBus = (name: string): string => topicPrefix + name.slice(defaultPrefix.length)
  const groupOnBus = (group: string): string => (topicPrefix === defaultPrefix ? group : topicPrefix + group)
  const rules = table.flatMap(({ name, readers, writers }) =>
    writers
      .map(role => allowTopic(role, onBus(name), AclOperationTypes.WRITE))
      .concat(readers.map(role => allowTopic(role, onBus(name), AclOperationTypes.READ))),
  )
  const readers = new Set(table.flatMap(each => each.readers))
  return rules.concat([...readers].flatMap(role => groupRules(role, groupOnBus)))
}

/** A text that two rules share exactly when they say the same. */
export function ruleKey(rule: AclEntry): string {
  const { principal, host, operation, permissionType, resourceType, resourceName, resourcePatternType } = rule
  return [principal, host, operation, permissionType, resourceType, resourceName, resourcePatternType].join(
    ' ',
  )
}
