// Where personal data can stand in messages of the Model Context Protocol, said by what is left out: everything else carries content.
import type { Rule } from './policy.ts'

/** Names of programs, in the two places where the protocol puts them, are not names of people. */
export const programNames: Rule = {
  types: ['NAME'],
  paths: ['params.clientInfo.name', 'result.serverInfo.name'],
  action: { kind: 'keep' },
}

/** Lists whose elements may have a `_meta` of their own. */
const lists = [
  'content',
  'contents',
  'messages',
  'resources',
  'resourceTemplates',
  'prompts',
  'tools',
  'roots',
]

/** A prompt's and a model's messages hold one content block or several. */
const blocks = [
  'result.content',
  'result.content[]',
  'result.messages[].content',
  'result.messages[].content[]',
  'params.messages[].content',
  'params.messages[].content[]',
  'result.inputRequests.*.params.messages[].content',
  'result.inputRequests.*.params.messages[].content[]',
]

/**
 * What the two sides find each other by, or give back as it was: ids, cursors, opaque state, `_meta`. Nobody shows it to a model, and a change to it
 * breaks the conversation.
 */
export const protocolPaths: readonly string[] = [
  'jsonrpc',
  'id',
  'method',
  'error.code',
  'params._meta',
  'params.requestId',
  'params.progressToken',
  'params.cursor',
  'params.taskId',
  'params.requestState',
  'params.elicitationId',
  'result._meta',
  'result.nextCursor',
  'result.taskId',
  'result.task.taskId',
  'result.requestState',
  'result.resultType',
  'result.inputRequests.*.method',
  ...lists.map(list => `result.${list}[]._meta`),
  ...blocks.flatMap(block => [`${block}._meta`, `${block}.resource._meta`]),
]

/** What must keep its form: some schema of the server or of the client stands behind it. */
export const shapedPaths: readonly string[] = [
  'result.structuredContent',
  'params.requestedSchema',
  'result.inputRequests.*.params.requestedSchema',
]

/** Base64 text of files, pictures and sound. */
export const binaryPaths: readonly string[] = [
  'result.contents[].blob',
  ...blocks.flatMap(block => [`${block}.data`, `${block}.resource.blob`]),
]
