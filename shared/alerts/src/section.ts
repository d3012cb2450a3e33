import { createSecretKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { AppError } from '@muniment/schema'
import { z } from 'zod'
import type { Route } from './dispatch.ts'
import { openSink, type SinkConfig } from './sinks/index.ts'

const severity = z.enum(['informational', 'low', 'medium', 'high', 'critical', 'fatal'])
const oneOrMany = z.union([z.string(), z.array(z.string()).min(1)])
const line = z.string().regex(/^[^\0\r\n]{1,2000}$/u, 'not one line of text')
const address = z.string().regex(/^[^\s<>@,;:"\\]+@[^\s<>@,;:"\\]+$/u, 'not a mail address')
const port = z.number().int().min(0).max(65_535)

/** What every sink may say: which alerts, and how many. */
const common = {
  min_severity: severity.optional(),
  rule: oneOrMany.optional(),
  tenant: oneOrMany.optional(),
  /** Above this, alerts go out together as a digest. */
  per_minute: z.number().positive().max(100_000).optional(),
  burst: z.number().int().min(1).max(10_000).optional(),
}

/** The name of an entry of the secret `sinks`. */
const secret = z.string().regex(/^[A-Za-z0-9_.-]{1,100}$/u, 'not the name of a secret')

const sink = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('webhook'),
    url: z
      .string()
      .regex(/^https?:\/\/[^\s@]{1,2000}$/u, 'not a URL with http or https and without credentials'),
    secret,
    ...common,
  }),
  z.strictObject({ kind: z.literal('slack'), secret, ...common }),
  z.strictObject({
    kind: z.literal('email'),
    host: line,
    port: port.default(587),
    tls: z.enum(['starttls', 'implicit', 'none']).default('starttls'),
    ca_file: line.optional(),
    user: line.optional(),
    secret: secret.optional(),
    from: address,
    to: z.array(address).min(1).max(50),
    ...common,
  }),
  z.strictObject({
    kind: z.literal('sse'),
    host: line.default('127.0.0.1'),
    port,
    secret,
    ...common,
  }),
  z.strictObject({ kind: z.literal('stdout'), ...common }),
])

/** The section `alerts` of `muniment.yaml`: sinks by name. */
export const alertsSectionSchema = z.strictObject({
  sinks: z.record(z.string().regex(/^[a-z0-9][a-z0-9_-]{0,40}$/u), sink).default({}),
})

type AlertsSection = z.output<typeof alertsSectionSchema>
type SinkSection = AlertsSection['sinks'][string]

/** What sinks need beside what is written of them. */
export interface RouteSources {
  /** Entries of the secret `sinks`; asked for only where a sink names one. */
  readonly secrets: () => Promise<Readonly<Record<string, string>>>
  readonly write: (line: string) => Promise<void>
  /** Told where a sink listens. */
  readonly onListening: (name: string, url: string) => void
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** A number in 0..1. */
  readonly random: () => number
}

/** Messages a minute that people, and Slack, can take. */
const defaultRates: Partial<Record<SinkSection['kind'], number>> = { slack: 20, email: 6 }

function rateOf({
  kind,
  per_minute: perMinute = defaultRates[kind],
  burst,
}: SinkSection): Pick<Route, 'rate'> {
  if (perMinute === undefined) return {}
  return { rate: { perMinute, burst: burst ?? Math.max(1, Math.ceil(perMinute / 6)) } }
}

function filterOf({ min_severity: minSeverity, rule, tenant }: SinkSection): Pick<Route, 'filter'> {
  const filter = {
    ...(minSeverity !== undefined && { minSeverity }),
    ...(rule !== undefined && { rule }),
    ...(tenant !== undefined && { tenant }),
  }
  return { filter }
}

/** Reads the secret of a sink by name; its value is in no error. */
async function secretOf(name: string, entry: string, { secrets }: RouteSources): Promise<string> {
  const value = (await secrets())[entry]
  if (typeof value === 'string' && value !== '') return value
  throw new AppError(
    'SECRET_MISSING',
    `The secret sinks has no entry ${entry}, which alerts.sinks.${name} names.`,
    {
      hint: 'The secret `sinks` is one JSON object of texts, as in {"pager": "…"}: the file sinks.json in the folder of the secrets, or in Secrets Manager.',
    },
  )
}

function slackUrl(name: string, url: string): string {
  if (/^https?:\/\/[^\s@]{1,2000}$/u.test(url)) return url
  throw new AppError(
    'CONFIG_INVALID',
    `The secret of alerts.sinks.${name} is not the URL of an incoming webhook.`,
  )
}

async function emailConfig(
  name: string,
  section: Extract<SinkSection, { kind: 'email' }>,
  sources: RouteSources,
): Promise<SinkConfig> {
  const { host, port: number, tls, ca_file: caFile, user, secret: entry, from, to } = section
  if ((user === undefined) !== (entry === undefined))
    throw new AppError('CONFIG_INVALID', `alerts.sinks.${name} needs user and secret, or neither.`)
  if (tls === 'none' && user !== undefined)
    throw new AppError('CONFIG_INVALID', `alerts.sinks.${name} would send its password in the clear.`)
  return {
    kind: 'email',
    host,
    port: number,
    tls,
    from,
    to,
    random: sources.random,
    ...(caFile !== undefined && { ca: await readFile(caFile, 'utf8') }),
    ...(user !== undefined &&
      entry !== undefined && { user, password: await secretOf(name, entry, sources) }),
  }
}

async function configOf(name: string, section: SinkSection, sources: RouteSources): Promise<SinkConfig> {
  const { now, random, write, onListening } = sources
  if (section.kind === 'stdout') return { kind: 'stdout', write }
  if (section.kind === 'email') return await emailConfig(name, section, sources)
  const text = await secretOf(name, section.secret, sources)
  if (section.kind === 'slack') return { kind: 'slack', url: slackUrl(name, text), random }
  if (section.kind === 'webhook')
    return { kind: 'webhook', url: section.url, key: createSecretKey(Buffer.from(text)), now, random }
  const { host, port: number } = section
  return { kind: 'sse', host, port: number, token: text, onListening: url => onListening(name, url) }
}

/** Opens every sink of the section. Throws `CONFIG_INVALID` or `SECRET_MISSING`, naming the sink. */
export async function openRoutes(section: AlertsSection, sources: RouteSources): Promise<readonly Route[]> {
  const routes: Route[] = []
  for (const [name, each] of Object.entries(section.sinks)) {
    const opened = await openSink(await configOf(name, each, sources))
    routes.push({ name, sink: opened, ...filterOf(each), ...rateOf(each) })
  }
  return routes
}
