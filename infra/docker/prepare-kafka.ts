// Makes the topics that do not exist yet, and gives every role exactly the access that the topic table names; rules of
// users that it does not name are left alone. May run again. Settings as for any worker, with the login of a user who
// may do everything.
//   node prepare-kafka.ts
import kafkajs, { type AclEntry, type Admin } from 'kafkajs'
import { openBus } from '@muniment/bus'
import { readConfig } from '@muniment/runtime'
import { topics } from '@muniment/schema'
import { accessRules, ruleKey } from './kafka-access.ts'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, Kafka, ResourcePatternTypes } = kafkajs

async function existingRules(admin: Admin, principals: ReadonlySet<string>): Promise<readonly AclEntry[]> {
  const { resources } = await admin.describeAcls({
    resourceType: AclResourceTypes.ANY,
    resourcePatternType: ResourcePatternTypes.ANY,
    operation: AclOperationTypes.ANY,
    permissionType: AclPermissionTypes.ANY,
  })
  return resources
    .flatMap(({ acls, ...resource }) => acls.map(acl => ({ ...resource, ...acl })))
    .filter(({ principal }) => principals.has(principal))
}

/** What is missing is added before what is too much is taken away, so that no worker loses access in between. */
async function alignRules(admin: Admin, wanted: readonly AclEntry[]): Promise<void> {
  const existing = await existingRules(admin, new Set(wanted.map(({ principal }) => principal)))
  const have = new Set(existing.map(ruleKey))
  const want = new Set(wanted.map(ruleKey))
  const missing = wanted.filter(rule => !have.has(ruleKey(rule)))
  const excess = existing.filter(rule => !want.has(ruleKey(rule)))
  if (missing.length > 0) await admin.createAcls({ acl: missing })
  if (excess.length > 0) await admin.deleteAcls({ filters: excess })
  process.stderr.write(
    `access rules: ${missing.length} added, ${excess.length} removed, ${want.size} in all\n`,
  )
}

// oxlint-disable-next-line node/no-process-env -- this file is a program of its own
const { bus: config } = readConfig({ env: process.env })
if (config.kind !== 'kafka' || config.sasl?.mechanism !== 'scram-sha-512')
  throw new Error('MUNIMENT_BUS must be kafka://… with MUNIMENT_KAFKA_SASL_MECHANISM scram-sha-512')
{
  await using bus = await openBus(config)
  await bus.createTopics()
}
const { brokers, sasl, tls, topicPrefix } = config
const kafka = new Kafka({
  clientId: 'muniment-prepare',
  brokers: [...brokers],
  ssl: typeof tls === 'object' && tls.caPem !== undefined ? { ca: [tls.caPem] } : tls === true,
  sasl: { ...sasl, mechanism: 'scram-sha-512' },
  retry: { retries: 20, maxRetryTime: 2000 },
  logLevel: kafkajs.logLevel.ERROR,
})
const admin = kafka.admin()
await admin.connect()
await alignRules(admin, accessRules(topics, topicPrefix))
await admin.disconnect()
