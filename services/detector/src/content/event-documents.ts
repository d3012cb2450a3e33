import type { Document } from './document.ts'
import { type Collector, walk } from './walk.ts'

interface Message {
  readonly params?: unknown
  readonly result?: unknown
  readonly error?: unknown
}

/** What of an event decides where its texts come from. */
interface EventBodies {
  readonly method?: string | undefined
  readonly direction?: string | undefined
  readonly request?: { readonly body: unknown } | undefined
  readonly response?: { readonly body: unknown } | undefined
}

function isMessage(body: unknown): body is Message {
  return typeof body === 'object' && body !== null
}

function argumentsOf(params: unknown): unknown {
  if (typeof params !== 'object' || params === null || !('arguments' in params)) return undefined
  return params.arguments
}

function addRequest(collector: Collector, event: EventBodies, body: unknown): void {
  const isFromServer = event.direction === 'server_to_client'
  if (!isMessage(body)) {
    walk(collector, body, {
      source: isFromServer ? 'result' : 'argument',
      path: 'request.body',
      name: '',
      depth: 0,
    })
    return
  }
  const given = argumentsOf(body.params)
  const source = isFromServer ? 'prompt' : 'argument'
  if (given === undefined)
    walk(collector, body.params, { source, path: 'request.body.params', name: '', depth: 0 })
  else walk(collector, given, { source, path: 'request.body.params.arguments', name: '', depth: 0 })
}

function addResponse(collector: Collector, event: EventBodies, body: unknown): void {
  const describes =
    event.method === 'tools/list' || event.method === 'initialize' || event.method === 'prompts/list'
  const source = describes ? 'description' : 'result'
  if (!isMessage(body)) {
    walk(collector, body, { source, path: 'response.body', name: '', depth: 0 })
    return
  }
  walk(collector, body.result, { source, path: 'response.body.result', name: '', depth: 0 })
  walk(collector, body.error, { source: 'result', path: 'response.body.error', name: '', depth: 0 })
}

/** The texts of an event worth looking at: arguments, results, errors and descriptions of tools. */
export function eventDocuments(event: EventBodies): readonly Document[] {
  const collector: Collector = { documents: [], chars: 0 }
  if (event.request?.body !== undefined) addRequest(collector, event, event.request.body)
  if (event.response?.body !== undefined) addResponse(collector, event, event.response.body)
  return collector.documents
}

/** The texts of a single value from one place. */
export function textDocuments(value: unknown, source: Document['source'], name: string): readonly Document[] {
  const collector: Collector = { documents: [], chars: 0 }
  walk(collector, value, { source, path: source, name, depth: 0 })
  return collector.documents
}
