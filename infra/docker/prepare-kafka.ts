// Makes the topics of infra/kafka/topics.yaml that do not exist yet, and gives every role exactly the access that the
// file names: rules of users that it does not name are left alone. May run again.
//   node prepare-kafka.ts --brokers kafka:9092 --user admin --password-file FILE --ca-file FILE
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import kafkajs, { type AclEntry, type Admin } from 'kafkajs'
import { parse } from 'yaml'
import { accessRules, ruleKey, topicConfigs, topicsFile } from './kafka-access.ts'

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

function required(name: string, value: string | undefined): string {
  if (value === undefined) throw new Error(`--${name} is missing`)
  return value
}

const { values } = parseArgs({
  options: {
    brokers: { type: 'string' },
    user: { type: 'string' },
    'password-file': { type: 'string' },
    'ca-file': { type: 'string' },
  },
})
const table = new URL('../kafka/topics.yaml', import.meta.url)
const { topics } = topicsFile.parse(parse(readFileSync(table, 'utf8')))
const kafka = new Kafka({
  clientId: 'muniment-prepare',
  brokers: required('brokers', values.brokers).split(','),
  ssl: { ca: [readFileSync(required('ca-file', values['ca-file']), 'utf8')] },
  sasl: {
    mechanism: 'scram-sha-512',
    username: required('user', values.user),
    password: readFileSync(required('password-file', values['password-file']), 'utf8').trim(),
  },
  retry: { retries: 20, maxRetryTime: 2000 },
  logLevel: kafkajs.logLevel.ERROR,
})
const admin = kafka.admin()
await admin.connect()
const existing = new Set(await admin.listTopics())
const absent = topicConfigs(topics).filter(({ topic }) => !existing.has(topic))
if (absent.length > 0) await admin.createTopics({ topics: absent })
process.stderr.write(`topics: ${absent.length} made, ${topics.length} in all\n`)
await alignRules(admin, accessRules(topics))
await admin.disconnect()
