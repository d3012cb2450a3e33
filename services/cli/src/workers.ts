import type { Route } from '@muniment/alerts'
import type { ClassifierStageOptions } from '@muniment/detector'
import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { parsePolicy } from '@muniment/archive'
import type { NotaryOptions, UnwitnessedSpan, Witnesses } from '@muniment/archiver'
import type { Bus } from '@muniment/bus'
import type { SecretName } from '@muniment/keys'
import { readSection, type Config, type Logger, type Metrics, type Task } from '@muniment/runtime'
import { isAppError, topic } from '@muniment/schema'
import type { VerifyReport } from '@muniment/archive'
import { openStoreOf, type KeyContext } from './context.ts'
import { collectorTasks } from './collector/worker.ts'
import { controlTask } from './control.ts'
import { openEngineOf } from './engine.ts'
import { openEvidenceStoreOf } from './evidence-store.ts'
import { queryApiOf } from './query-api.ts'
import { piiRulesOf } from './pii-rules.ts'
import { unwitnessedAlert } from './unwitnessed-alert.ts'
import { readPolicy, verifyArchiveOf } from './verify-archive.ts'
import { createExceptions } from './verdicts.ts'
import { programVersion } from './version.ts'
import { rulesFolders } from './rules-folders.ts'
import { detectionOf, toolLabelsOf } from './tool-labels.ts'

/** What the workers of one process share. */
export interface WorkerContext extends KeyContext {
  readonly config: Config
  readonly log: Logger
  readonly metrics: Metrics
  readonly bus: Bus
  /** Told of the console's address, which carries its token. */
  readonly onConsole: (url: string) => void
}

type Tasks = Readonly<Record<string, Task>>

/** A worker: what it needs, and how it is made. */
export interface Worker {
  readonly summary: string
  /** Secrets read at the start, so that a missing permission stops it at once, by name. */
  readonly secrets: readonly SecretName[]
  readonly tasks: (context: WorkerContext) => Promise<Tasks>
}

async function maskerTasks({ bus, keys, log, metrics, config }: WorkerContext): Promise<Tasks> {
  const { createMasks, createMasker, createNonces, createVaultedTokens } = await import('@muniment/masker')
  const vaulted = createVaultedTokens(keys.vault, { now: Date.now, cacheTtlMs: config.keys.cacheTtlMs })
  const events = metrics.counter({ name: 'masker_events_total', help: 'Events masked and published.' })
  const letters = metrics.counter({ name: 'masker_dead_letters_total', help: 'Sealed records given up.' })
  const masker = createMasker({
    bus,
    log: log.child('masker'),
    unseal: keys.unseal,
    digestKey: keys.digestKey,
    openMask: createMasks(piiRulesOf(config).policy, keys.maskingKeys, vaulted),
    nonce: createNonces(randomBytes),
    version: programVersion,
    onDone: done => {
      events(done.events)
      letters(done.deadLetters)
    },
  })
  return { masker }
}

async function detectorTasks({ bus, state, keys, log, config, metrics }: WorkerContext): Promise<Tasks> {
  const { createDetector, createRuleSource } = await import('@muniment/detector')
  const source = createRuleSource({
    folders: rulesFolders(config),
    log: log.child('detector'),
    now: Date.now,
  })
  const evidenceKey = async (tenant: string): Promise<KeyObject> =>
    (await keys.maskingKeys()).tokenKey(tenant, 'evidence')
  const { content, behaviour } = createDetector({
    bus,
    state,
    evidenceKey,
    rules: source.current,
    labels: await toolLabelsOf(config),
    log: log.child('detector'),
    now: Date.now,
    onDeadLetters: metrics.counter({
      name: 'detector_dead_letters_total',
      help: 'Events and signals put aside unjudged.',
    }),
  })
  const control = controlTask({ config, bus, keys }, log.child('control'))
  const response = await responderOf({ bus, keys, state, log, config })
  const classifier = await classifierTasks({ bus, log, config }, { rules: source.current, evidenceKey })
  return {
    'detector content': content,
    'detector behaviour': behaviour,
    'detector response': response,
    ...(await fleetTasks({ bus, keys, log, config })),
    ...classifier,
    control,
  }
}

/** A task more where `muniment.yaml` names a classifier. */
async function classifierTasks(
  { bus, log, config }: Pick<WorkerContext, 'bus' | 'log' | 'config'>,
  shared: Pick<ClassifierStageOptions, 'rules' | 'evidenceKey'>,
): Promise<Tasks> {
  const { classifier: chosen } = await detectionOf(config)
  if (chosen === undefined) return {}
  const { createClassifierStage, openCommandClassifier } = await import('@muniment/detector')
  const { command, mode, deadline_ms: deadlineMs } = chosen
  const own = log.child('classifier')
  const classifier = openCommandClassifier({
    command,
    deadlineMs,
    restartMs: 5_000,
    log: own,
    now: Date.now,
  })
  return { 'detector classifier': createClassifierStage({ ...shared, bus, classifier, mode, log: own }) }
}

/** A task more where `muniment.yaml` has limits for a fleet. */
async function fleetTasks({
  bus,
  keys,
  log,
  config,
}: Pick<WorkerContext, 'bus' | 'keys' | 'log' | 'config'>): Promise<Tasks> {
  const { guard } = config.sections
  if (guard === undefined) return {}
  const { isFleetIn } = await import('./guard-section.ts')
  if (!isFleetIn(guard)) return {}
  const { createFleetStage } = await import('@muniment/detector')
  const signer = await keys.controlSigner()
  return { 'detector fleet': createFleetStage({ bus, signer, log: log.child('fleet'), now: Date.now }) }
}

async function responderOf({
  bus,
  keys,
  state,
  log,
  config,
}: Pick<WorkerContext, 'bus' | 'keys' | 'state' | 'log' | 'config'>): Promise<Task> {
  const { createResponder, loadRules, plansOf, responseSectionSchema } = await import('@muniment/detector')
  const { response } = config.sections
  const section = response && readSection(response, responseSectionSchema)
  return createResponder({
    bus,
    signer: keys.controlSigner,
    verifier: keys.controlVerifier,
    plans: plansOf(loadRules(...rulesFolders(config)).rules, section),
    allow: [...config.guardAllow, ...(section?.allow ?? [])],
    isHeldBack: createExceptions(state, Date.now),
    log: log.child('response'),
    now: Date.now,
  })
}

async function archiverTasks({ bus, state, keys, log, config, metrics }: WorkerContext): Promise<Tasks> {
  const { createArchiver } = await import('@muniment/archiver')
  const { store, retentionDays, retentionClasses } = await openEvidenceStoreOf({ config, state, log })
  const archiver = createArchiver({
    bus,
    store,
    retentionDays,
    retentionClasses,
    keys: keys.segmentKeys,
    log: log.child('archiver'),
    metrics,
    cut: config.cut,
    drainTimeoutMs: config.drainTimeoutMs,
  })
  return { archiver }
}

/** Who cosigns the log, by the policy of the configuration. */
async function witnessesOf({ config: { witness }, log }: WorkerContext): Promise<Witnesses | undefined> {
  const policy = await readPolicy(witness.policyFile)
  if (policy === undefined) return undefined
  const { createWitnesses } = await import('@muniment/archiver')
  return createWitnesses({
    policy: parsePolicy(policy),
    log: log.child('notary'),
    timeoutMs: witness.timeoutMs,
  })
}

async function notaryOptions(context: WorkerContext): Promise<NotaryOptions> {
  const { keys, state, log, config, metrics, bus } = context
  const { store, longestDays } = await openEvidenceStoreOf({ config, state, log })
  const raise = async (span: UnwitnessedSpan): Promise<void> => {
    try {
      await bus.publish(topic.alerts, [
        unwitnessedAlert({ logName: config.log.name, nowMs: Date.now(), span }),
      ])
    } catch (error) {
      log.error('notary.alert_failed', { error })
    }
  }
  return {
    store,
    retentionDays: longestDays,
    keys,
    state,
    metrics,
    log: log.child('notary'),
    intervalMs: config.log.checkpointIntervalMs,
    heartbeatMs: config.log.heartbeatIntervalMs,
    witnesses: await witnessesOf(context),
    maxUnwitnessedMs: config.witness.maxUnwitnessedMs,
    onUnwitnessed: span => void raise(span),
  }
}

async function notaryTasks(context: WorkerContext): Promise<Tasks> {
  const { createNotary } = await import('@muniment/archiver')
  return { notary: createNotary(await notaryOptions(context)) }
}

/** Signs what the archiver wrote as its last act, after the notary had ended; what cannot be signed now is signed at the next start. */
export async function anchorLastCuts(context: WorkerContext): Promise<void> {
  const { anchorRest } = await import('@muniment/archiver')
  try {
    await anchorRest(await notaryOptions(context))
  } catch (error) {
    if (!isAppError(error)) throw error
    context.log.warn('notary.rest_unsigned', { code: error.code, message: error.message })
  }
}

/** Runs several parts as one: where one ends, the others end too. */
async function together(parts: readonly Task[], signal: AbortSignal): Promise<void> {
  const ended = new AbortController()
  const both = AbortSignal.any([signal, ended.signal])
  await Promise.all(parts.map(async part => await part.run(both).finally(() => ended.abort())))
}

async function queryTasks({ config, keys, log, onConsole }: WorkerContext): Promise<Tasks> {
  const { createConsole, createQueryService } = await import('@muniment/query')
  const api = await queryApiOf(config, log.child('query'))
  const serve = async (signal: AbortSignal): Promise<void> => {
    await using open = await openEngineOf(config, {
      withTail: true,
      keepsSpareProcess: true,
      onUnrecorded: ({ code, message }) => log.warn('console.read_unrecorded', { code, message }),
    })
    const verify = async (verifySignal: AbortSignal): Promise<VerifyReport> =>
      verifyArchiveOf(config, { keys, signal: verifySignal })
    const store = await openStoreOf(config)
    const service = createQueryService({ engine: open.engine, store, verify, now: Date.now })
    const face = createConsole({
      service,
      log: log.child('console'),
      port: 0,
      onReady: onConsole,
    })
    await together(api === undefined ? [face] : [face, api(service)], signal)
  }
  return { console: { run: serve } }
}

/** The webhook of the settings, where one is set: the shortest way to be told. */
async function webhookRoute({ webhook }: Config): Promise<readonly Route[]> {
  if (webhook === undefined) return []
  const { openSink } = await import('@muniment/alerts')
  const key = createSecretKey(Buffer.from(webhook.secret))
  const sink = await openSink({ kind: 'webhook', url: webhook.url, key, now: Date.now, random: Math.random })
  return [{ name: 'webhook', sink }]
}

async function sectionRoutes({ config, log }: WorkerContext): Promise<readonly Route[]> {
  const { alerts } = config.sections
  if (alerts === undefined) return []
  const { alertsSectionSchema, openRoutes } = await import('@muniment/alerts')
  const { openSecrets, readSinkSecrets } = await import('@muniment/keys')
  const secrets = await openSecrets(config.secrets)
  let read: ReturnType<typeof readSinkSecrets> | undefined
  return openRoutes(readSection(alerts, alertsSectionSchema), {
    secrets: async () => (read ??= readSinkSecrets(secrets)),
    write: writeStdout,
    onListening: (sink, url) => log.child('alerts').info('alerts.listening', { sink, url }),
    now: Date.now,
    random: Math.random,
  })
}

/** Resolves when the line was taken, so that a pipe that is full holds the alerts back. */
async function writeStdout(line: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  process.stdout.write(line, error => (error ? reject(error) : resolve()))
  await promise
}

async function alertsTasks(context: WorkerContext): Promise<Tasks> {
  const routes = [...(await webhookRoute(context.config)), ...(await sectionRoutes(context))]
  if (routes.length === 0) return {}
  const { createDispatcher } = await import('@muniment/alerts')
  const { bus, log } = context
  const dispatcher = createDispatcher({
    bus,
    routes,
    isHeldBack: createExceptions(context.state, Date.now),
    onFailure: log.child('alerts').warn,
  })
  async function run(signal: AbortSignal): Promise<void> {
    await using stack = new AsyncDisposableStack()
    for (const { sink } of routes) stack.use(sink)
    await dispatcher.run(signal)
  }
  return { alerts: { run } }
}

/** The workers of the pipeline by their names on the command line; `muniment up` is all of them. */
export const workers: Readonly<Record<string, Worker>> = {
  masker: {
    summary: 'opens sealed batches, masks them, publishes events',
    secrets: ['ingest', 'masking'],
    tasks: maskerTasks,
  },
  detector: {
    summary: 'turns events into signals and signals into alerts',
    secrets: ['masking', 'control'],
    tasks: detectorTasks,
  },
  archiver: {
    summary: 'writes events, alerts and decisions into the archive',
    secrets: ['root'],
    tasks: archiverTasks,
  },
  notary: {
    summary: 'enters manifests into the log and signs its checkpoints',
    secrets: ['log'],
    tasks: notaryTasks,
  },
  query: {
    summary: 'serves the console on a loopback address, and the HTTP API where MUNIMENT_QUERY_LISTEN says',
    secrets: ['root'],
    tasks: queryTasks,
  },
  alerts: {
    summary: 'delivers alerts to the sinks of muniment.yaml and the webhook of MUNIMENT_WEBHOOK_URL',
    secrets: [],
    tasks: alertsTasks,
  },
}

/** Workers that only some installations need. */
export const extraWorkers: Readonly<Record<string, Worker>> = {
  collector: {
    summary: 'takes sealed batches over HTTPS from devices that reach no broker; reads none',
    secrets: [],
    tasks: collectorTasks,
  },
}

/** Collects what interceptors of this machine left in their spools, and publishes it in order. */
export async function spoolTasks({ bus, config, log }: WorkerContext): Promise<Tasks> {
  const { drainSpool } = await import('@muniment/interceptor/spool')
  const spool: Task = {
    run: async signal =>
      drainSpool({
        dir: join(config.home, 'spool'),
        publish: async records => bus.publish(topic.raw, records),
        signal,
        onProblem: ({ code, message }) => log.child('spool').warn('spool.problem', { code, message }),
      }),
  }
  return { spool }
}
