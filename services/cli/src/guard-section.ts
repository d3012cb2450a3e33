import {
  limit,
  reduceErrors,
  sessions,
  validate,
  type GuardPart,
  type LimitOptions,
  type LimitRule,
  type SessionsOptions,
  type ValidateOptions,
} from '@muniment/interceptor/guard'
import { readSection, type Section } from '@muniment/runtime'
import { z } from 'zod'

const positive = z.number().positive()
const whole = z.int().positive()
const dimension = z.enum(['tenant', 'principal', 'tool', 'address'])
const per = z.union([dimension, z.array(dimension).min(1)])
const rule = z.strictObject({ per, amount: positive, window_seconds: positive, burst: positive.optional() })

const limitSchema = z.strictObject({
  door: z.array(rule).optional(),
  requests: z.array(rule).optional(),
  costs: z.record(z.string(), z.number().nonnegative()).optional(),
  concurrent: z.array(z.strictObject({ per, most: whole })).optional(),
  fleet: z.strictObject({ members: whole }).optional(),
  trusted_proxies: z.int().nonnegative().optional(),
})

const validateSchema = z.strictObject({
  max_bytes: whole.optional(),
  max_string_length: whole.optional(),
  max_depth: whole.optional(),
  max_parameters: whole.optional(),
  unlisted: z.enum(['pass', 'refuse']).optional(),
  unknown_parameters: z.enum(['pass', 'refuse']).optional(),
  payloads: z.enum(['pass', 'refuse']).optional(),
  paths: z
    .strictObject({
      roots: z.array(z.string()).min(1),
      parameters: z.array(z.string()).optional(),
      max_file_bytes: whole.optional(),
    })
    .optional(),
  urls: z
    .strictObject({ parameters: z.array(z.string()).optional(), allow: z.array(z.string()).optional() })
    .optional(),
  sanitise: z.strictObject({ tools: z.array(z.string()), html: z.boolean().optional() }).optional(),
})

const errorsSchema = z.strictObject({ tool_errors: z.enum(['reduce', 'keep']).optional() })

const sessionsSchema = z.strictObject({
  idle_seconds: positive.optional(),
  absolute_seconds: positive.optional(),
  most: whole.optional(),
  most_per_principal: whole.optional(),
})

const guardSectionSchema = z.strictObject({
  /** File with the rules of who may do what. */
  authorise: z.string().min(1).optional(),
  limit: limitSchema.optional(),
  validate: validateSchema.optional(),
  errors: errorsSchema.optional(),
  sessions: sessionsSchema.optional(),
})

type Inspect = NonNullable<ValidateOptions['inspect']>
type PathOptions = NonNullable<ValidateOptions['paths']>
type UrlOptions = NonNullable<ValidateOptions['urls']>

function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000
}

type Given<T> = { readonly [K in keyof T]?: T[K] | undefined }

/** Without what was not written: a part has defaults of its own. */
function written<T extends object>(given: Given<T>): Partial<T>
function written(given: object): object {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function rulesOf(rules: readonly z.infer<typeof rule>[] | undefined): readonly LimitRule[] | undefined {
  return rules?.map(({ window_seconds: seconds, ...others }) => ({
    ...written<LimitRule>(others),
    per: others.per,
    amount: others.amount,
    windowMs: seconds * 1000,
  }))
}

function limitOf({
  door,
  requests,
  costs,
  concurrent,
  fleet,
  trusted_proxies: trustedProxies,
}: z.infer<typeof limitSchema>): GuardPart {
  return limit(
    written<LimitOptions>({
      door: rulesOf(door),
      rules: rulesOf(requests),
      costs,
      concurrent,
      fleet,
      trustedProxies,
    }),
  )
}

function pathsOf(paths: z.infer<typeof validateSchema>['paths']): ValidateOptions['paths'] {
  if (paths === undefined) return undefined
  const { roots, parameters, max_file_bytes: maxFileBytes } = paths
  return { roots, ...written<Omit<PathOptions, 'roots'>>({ parameters, maxFileBytes }) }
}

function validateOf(said: z.infer<typeof validateSchema>, inspect: Inspect | undefined): GuardPart {
  const { sanitise } = said
  return validate(
    written<ValidateOptions>({
      maxBytes: said.max_bytes,
      maxStringLength: said.max_string_length,
      maxDepth: said.max_depth,
      maxParameters: said.max_parameters,
      unlisted: said.unlisted,
      unknownParameters: said.unknown_parameters,
      paths: pathsOf(said.paths),
      urls: said.urls && written<UrlOptions>(said.urls),
      sanitise: sanitise && { tools: sanitise.tools, html: sanitise.html === true },
      inspect,
    }),
  )
}

function sessionsOf(said: z.infer<typeof sessionsSchema>): GuardPart {
  return sessions(
    written<SessionsOptions>({
      idleMs: milliseconds(said.idle_seconds),
      absoluteMs: milliseconds(said.absolute_seconds),
      most: said.most,
      mostPerPrincipal: said.most_per_principal,
    }),
  )
}

/** The grammars of the detector, where payloads are to be refused; loaded only then. */
async function inspectOf(payloads: 'pass' | 'refuse' | undefined): Promise<Inspect | undefined> {
  if (payloads !== 'refuse') return undefined
  const { inspectArgument } = await import('@muniment/detector')
  return inspectArgument
}

/** The parts that the section `guard` asks for beside rules of who may do what. Throws `CONFIG_INVALID` with path, file and line. */
export async function guardPartsIn(section: Section): Promise<GuardPart[]> {
  const { limit: rates, validate: checks, errors, sessions: ids } = readSection(section, guardSectionSchema)
  return [
    ...(rates === undefined ? [] : [limitOf(rates)]),
    ...(checks === undefined ? [] : [validateOf(checks, await inspectOf(checks.payloads))]),
    ...(ids === undefined ? [] : [sessionsOf(ids)]),
    ...(errors === undefined ? [] : [reduceErrors(written({ toolErrors: errors.tool_errors }))]),
  ]
}

/** The file with rules that the section names. Throws `CONFIG_INVALID` with path, file and line. */
export function authoriseFileIn(section: Section): string | undefined {
  return readSection(section, guardSectionSchema).authorise
}

/** Whether limits are shared by a fleet, so that somebody has to count its members. Throws `CONFIG_INVALID` with path, file and line. */
export function isFleetIn(section: Section): boolean {
  return readSection(section, guardSectionSchema).limit?.fleet !== undefined
}

/** Whether sessions get ids and times of the guard's own. Throws `CONFIG_INVALID` with path, file and line. */
export function hasSessionsIn(section: Section): boolean {
  return readSection(section, guardSectionSchema).sessions !== undefined
}
