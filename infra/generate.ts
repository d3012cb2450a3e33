// Writes the files that follow from a table: `infra/kafka/topics.yaml` and `infra/kafka/asyncapi.json` from the topics,
// `infra/settings.md` from the settings, `infra/openapi.json` from the schemas of the query API.
// With `--check` it writes nothing and exits 1 where a file is out of date.
import { readFileSync, writeFileSync } from 'node:fs'
import { openApiDocument } from '@muniment/query'
import { settingsMarkdown } from '@muniment/runtime'
import { topics, type TopicSpec } from '@muniment/schema'
import { asyncApiDocument } from '@muniment/schema/asyncapi'
import { stringify } from 'yaml'

function topicEntry(spec: TopicSpec): object {
  const { name, partitions, retentionMs, writers, readers } = spec
  const cleanup =
    retentionMs === undefined
      ? { 'cleanup.policy': 'compact' }
      : { 'cleanup.policy': 'delete', 'retention.ms': retentionMs }
  const config = { ...cleanup, 'message.timestamp.type': 'LogAppendTime' }
  return { name, partitions, config, write: writers, read: readers }
}

const files: Readonly<Record<string, string>> = {
  'infra/kafka/topics.yaml': `# Generated from the topic table in shared/schema: npm run generate\n${stringify({ topics: topics.map(topicEntry) })}`,
  'infra/kafka/asyncapi.json': `${JSON.stringify(asyncApiDocument('0.1.0'), undefined, 2)}\n`,
  'infra/openapi.json': `${JSON.stringify(openApiDocument('0.1.0'), undefined, 2)}\n`,
  'infra/settings.md': `# Settings\n\nGenerated from the table in shared/runtime: npm run generate. The environment wins over \`muniment.yaml\`; an unknown setting stops the start with its name.\n\n${settingsMarkdown()}`,
}

const isCheck = process.argv.includes('--check')
for (const [file, text] of Object.entries(files)) {
  if (!isCheck) writeFileSync(file, text)
  else if (readFileSync(file, 'utf8') !== text) {
    console.error(`${file} is out of date: run npm run generate`)
    process.exitCode = 1
  }
}
