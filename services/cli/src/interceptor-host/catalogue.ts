// What an Interceptor Host says of itself, in the shape of SEP-2624, which is a draft: its versions differ in the names `hook` and `hooks`, and in
// what the mode that is not `audit` is called. Both names are given, and that mode, which is the default, is left out.

/** What the initialisation tells a host that knows interceptors. */
export const extensionName = 'io.modelcontextprotocol/interceptors'

export const phases = ['request', 'response'] as const
export type Phase = (typeof phases)[number]

/** One interceptor, as `interceptors/list` tells it. */
export interface Interceptor {
  readonly name: string
  readonly description: string
  readonly type: 'mutation' | 'validation'
  readonly events: readonly string[]
  readonly mode?: 'audit'
  /** Whether a message goes on where the interceptor fails. */
  readonly failOpen: boolean
  readonly priorityHint?: Readonly<Record<Phase, number>>
}

export const masker: Interceptor = {
  name: 'muniment-mask',
  description: 'Replaces personal data by its kind; what is not personal stays as it is.',
  type: 'mutation',
  events: [
    'tools/call',
    'prompts/get',
    'resources/read',
    'sampling/createMessage',
    'elicitation/create',
    'llm/completion',
  ],
  failOpen: false,
  // Before all that sends data elsewhere, after all that unpacks it.
  priorityHint: { request: -50_000, response: 50_000 },
}

export const auditor: Interceptor = {
  name: 'muniment-audit',
  description: 'Records what it is shown, sealed; it never objects.',
  type: 'validation',
  events: ['*'],
  mode: 'audit',
  failOpen: true,
}

export const interceptors: readonly Interceptor[] = [masker, auditor]

export function concerns({ events }: Interceptor, event: string): boolean {
  return events.includes('*') || events.includes(event)
}

/** As it is listed, for hosts of either version of the draft. */
export function listed({ events, ...rest }: Interceptor, version: string): Readonly<Record<string, unknown>> {
  return {
    ...rest,
    version,
    hook: { events, phase: 'both' },
    hooks: phases.map(phase => ({ events, phase })),
  }
}
