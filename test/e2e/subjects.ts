// Servers of the makers of MCP, and what official clients ask them, in order.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { serverProgram } from '../lanes/inspector.ts'

export interface Ask {
  readonly method: string
  readonly params: Readonly<Record<string, unknown>> & {
    readonly arguments?: Readonly<Record<string, unknown>>
  }
  /** Asked by the inspector, too, which starts a process for each. */
  readonly inspected?: boolean
}

/** What is asked, and the environment of a server that is started for it. */
export interface Asking {
  readonly env: Readonly<Record<string, string>>
  readonly asks: readonly Ask[]
}

export interface Subject {
  readonly name: string
  /** Serves over stdio. */
  readonly command: (folder: string) => readonly string[]
  /** Serves by HTTP at `PORT`; absent = it has no such face. */
  readonly http?: () => readonly string[]
  readonly asks: (folder: string) => readonly Ask[]
  /** What is among the answers where the server did what it was asked. */
  readonly answers: RegExp
}

const everything = fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-everything/dist/index.js'))

function ask(method: string, params: Ask['params'] = {}): Ask {
  return { method, params }
}

function call(name: string, args: Readonly<Record<string, unknown>> = {}): Ask {
  return ask('tools/call', { name, arguments: args })
}

function inspected(one: Ask): Ask {
  return { ...one, inspected: true }
}

const dynamic = { type: 'ref/resource', uri: 'demo://resource/dynamic/text/{resourceId}' }

function askEverything(): readonly Ask[] {
  return [
    inspected(ask('tools/list')),
    inspected(ask('prompts/list')),
    inspected(ask('resources/list')),
    ask('resources/templates/list'),
    ask('ping'),
    ask('logging/setLevel', { level: 'error' }),
    inspected(call('echo', { message: 'good day' })),
    inspected(call('get-sum', { a: 2, b: 'three' })),
    call('get-sum', { a: 2, b: 3 }),
    call('get-structured-content', { location: 'Chicago' }),
    call('get-annotated-message', { messageType: 'debug', includeImage: true }),
    call('get-tiny-image'),
    call('get-resource-links', { count: 3 }),
    call('trigger-long-running-operation', { duration: 0.03, steps: 3 }),
    call('trigger-sampling-request', { prompt: 'how many?', maxTokens: 7 }),
    call('trigger-elicitation-request'),
    call('no-such-tool'),
    ask('prompts/get', { name: 'args-prompt', arguments: { city: 'Lund' } }),
    ask('prompts/get', { name: 'no-such-prompt' }),
    ask('resources/read', { uri: 'demo://resource/static/document/features.md' }),
    ask('resources/read', { uri: 'demo://nowhere' }),
    ask('completion/complete', { ref: dynamic, argument: { name: 'resourceId', value: '7' } }),
    ask('no/such/method'),
  ]
}

function askFilesystem(folder: string): readonly Ask[] {
  const files = join(folder, 'files')
  const path = join(files, 'note.txt')
  return [
    inspected(ask('tools/list')),
    inspected(call('write_file', { path, content: 'a line\nanother \u{1f41f}\n' })),
    inspected(call('read_text_file', { path })),
    call('read_text_file', { path, head: 1 }),
    call('edit_file', { path, edits: [{ oldText: 'a line', newText: 'one line' }] }),
    call('list_directory', { path: files }),
    call('search_files', { path: files, pattern: '*.txt' }),
    call('read_media_file', { path }),
    inspected(call('read_text_file', { path: '/nowhere' })),
    call('no_such_tool'),
    ask('resources/list'),
  ]
}

function askMemory(): readonly Ask[] {
  const entities = [{ name: 'Ada', entityType: 'person', observations: ['counts'] }]
  return [
    inspected(ask('tools/list')),
    inspected(call('create_entities', { entities })),
    inspected(call('read_graph')),
    call('add_observations', { observations: [{ entityName: 'Ada', contents: ['writes'] }] }),
    call('search_nodes', { query: 'writes' }),
    call('add_observations', { observations: [{ entityName: 'Bob', contents: ['nobody'] }] }),
    call('open_nodes', { names: 7 }),
    // Nothing stays for who comes after.
    inspected(call('delete_entities', { entityNames: ['Ada'] })),
    ask('prompts/list'),
  ]
}

export const subjects: readonly Subject[] = [
  {
    name: 'everything',
    command: () => [everything, 'stdio'],
    http: () => [everything, 'streamableHttp'],
    asks: askEverything,
    answers: /good day/u,
  },
  {
    name: 'filesystem',
    command: folder => [serverProgram('filesystem'), join(folder, 'files')],
    asks: askFilesystem,
    answers: /another \u{1f41f}/u,
  },
  { name: 'memory', command: () => [serverProgram('memory')], asks: askMemory, answers: /counts/u },
]
