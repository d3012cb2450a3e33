import type { Transport } from '../record.ts'

/** Members by which the transports of both SDK lines are told apart, also in bundles that rename classes; checked against 1.32 and 2.4. */
const marks: readonly (readonly [member: string, transport: Transport])[] = [
  ['_messageQueue', 'in_memory'],
  ['_stdin', 'stdio'],
  ['_serverParams', 'stdio'],
  ['_wire', 'stdio'],
  ['_sseResponse', 'sse'],
  ['_endpoint', 'sse'],
  ['_eventSourceInit', 'sse'],
]

/** What a transport of the SDK travels on; one of unknown make counts as HTTP, the only kind that people write themselves. */
export function transportOf(transport: object): Transport {
  for (const [name, kind] of marks) if (name in transport) return kind
  return 'http'
}
