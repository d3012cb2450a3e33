import { AppError, isAppError, type ErrorCode } from '@muniment/schema'

/** What to do about a failure. */
export type Verdict =
  /** The same again later. */
  | 'again'
  /** The same again on a new producer: the old one's numbering is lost. */
  | 'rebuild'
  /** Never: the brokers refuse it. */
  | 'refused'

const lostNumbering: ReadonlySet<string> = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'PRODUCER_FENCED',
])

const refusals: ReadonlyMap<string, ErrorCode> = new Map([
  ['TOPIC_AUTHORIZATION_FAILED', 'BUS_REJECTED'],
  ['GROUP_AUTHORIZATION_FAILED', 'BUS_REJECTED'],
  ['CLUSTER_AUTHORIZATION_FAILED', 'BUS_REJECTED'],
  ['UNKNOWN_TOPIC_OR_PARTITION', 'BUS_REJECTED'],
  ['INVALID_TOPIC_EXCEPTION', 'BUS_REJECTED'],
  ['MESSAGE_TOO_LARGE', 'BUS_REJECTED'],
  ['RECORD_LIST_TOO_LARGE', 'BUS_REJECTED'],
  ['INVALID_RECORD', 'BUS_REJECTED'],
  ['INVALID_CONFIG', 'BUS_REJECTED'],
  ['POLICY_VIOLATION', 'BUS_REJECTED'],
  ['KafkaJSNotImplemented', 'BUS_REJECTED'],
  ['SASL_AUTHENTICATION_FAILED', 'AUTH_FAILED'],
  ['UNSUPPORTED_SASL_MECHANISM', 'AUTH_FAILED'],
  ['ILLEGAL_SASL_STATE', 'AUTH_FAILED'],
  ['KafkaJSSASLAuthenticationError', 'AUTH_FAILED'],
])

const rebalances: ReadonlySet<string> = new Set([
  'REBALANCE_IN_PROGRESS',
  'NOT_COORDINATOR_FOR_GROUP',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
])

const elections: ReadonlySet<string> = new Set(['NOT_LEADER_FOR_PARTITION', 'LEADER_NOT_AVAILABLE'])

/** The error and what caused it, outermost first. */
function chainOf(error: unknown): Error[] {
  const chain: Error[] = []
  let current = error
  while (current instanceof Error && chain.length < 8) {
    chain.push(current)
    current = current.cause
  }
  return chain
}

/** Kafka's names for what happened, and the client's. */
function namesOf(error: unknown): string[] {
  return chainOf(error).flatMap(each =>
    'type' in each && typeof each.type === 'string' ? [each.type, each.name] : [each.name],
  )
}

function isRefusal(error: Error): boolean {
  return isAppError(error) && error.code !== 'DEPENDENCY_UNREACHABLE'
}

export function judge(error: unknown): Verdict {
  const names = namesOf(error)
  if (names.some(name => lostNumbering.has(name))) return 'rebuild'
  if (names.some(name => refusals.has(name)) || chainOf(error).some(isRefusal)) return 'refused'
  return 'again'
}

/** Whether the brokers do not know the topic; one that has just started says so of every topic for a moment. */
export function isUnknownTopic(error: unknown): boolean {
  return namesOf(error).includes('UNKNOWN_TOPIC_OR_PARTITION')
}

/** Whether a partition is between two leaders, as one is that was just created or whose broker has just started. */
export function isElection(error: unknown): boolean {
  return namesOf(error).some(name => elections.has(name))
}

/** Whether the group has gone on without this member, or is about to. */
export function isRebalance(error: unknown): boolean {
  return namesOf(error).some(name => rebalances.has(name))
}

/** What a failure means to a person. */
export function describeFailure(what: string, error: unknown): AppError {
  const chain = chainOf(error)
  const ours = chain.find(each => isAppError(each))
  if (isAppError(ours)) return ours
  const code = namesOf(error)
    .map(name => refusals.get(name))
    .find(found => found !== undefined)
  const reason = chain.at(-1)?.message ?? String(error)
  return new AppError(code ?? 'DEPENDENCY_UNREACHABLE', `${what}: ${reason}`, { cause: error })
}
