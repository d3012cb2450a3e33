import { AppError } from '@muniment/schema'
import { isMembers, member, type Members } from '../json.ts'
import { andThen, type Soon } from '../soon.ts'
import type { Guard, GuardPart, Subject, Verdict } from './guard.ts'
import { createPathCheck, isPathName, pathOfFile, type PathCheck, type PathOptions } from './paths.ts'
import { sanitised, type SanitiseOptions } from './sanitise.ts'
import { defaultShape, shapeFault, type ShapeLimits } from './shape.ts'
import { createToolSchemas, type ToolSchemas } from './tool-schemas.ts'
import { createUrlCheck, isUrlName, mostUrls, type UrlCheck, type UrlOptions } from './urls.ts'

/** What is checked of requests beside their shape. */
export interface ValidateOptions extends Partial<ShapeLimits> {
  /** Schemas of tools by name, which nobody's list can replace; others are learned from what servers list. */
  readonly tools?: Readonly<Record<string, unknown>>
  /** Whether tools are refused of which no schema is known (yet); default `pass`. */
  readonly unlisted?: 'pass' | 'refuse'
  /** Parameters that a schema does not name and does not allow either; default `refuse`. */
  readonly unknownParameters?: 'pass' | 'refuse'
  /** Where arguments that are paths, and `file:` resources, may lead. */
  readonly paths?: PathOptions
  /** Where arguments that are URLs may lead: names are resolved, and private addresses refused. */
  readonly urls?: UrlOptions
  /** Texts of arguments that are cleaned before they are judged. */
  readonly sanitise?: SanitiseOptions
  /** Tells the kind of attack that a text is in an argument of this name, as the detector of `@muniment/detector` does. */
  readonly inspect?: (name: string, text: string) => string | undefined
}

interface State extends Pick<ValidateOptions, 'paths' | 'urls' | 'sanitise' | 'inspect'> {
  readonly limits: ShapeLimits
  readonly schemas: ToolSchemas
  readonly refusesUnlisted: boolean
  readonly pathCheck: PathCheck | undefined
  readonly urlCheck: UrlCheck | undefined
}

interface Leaf {
  readonly name: string
  readonly text: string
}

/** Texts of arguments with the name under which each stands; those of a list have the name of the list. */
function leavesOf(value: unknown, name = ''): readonly Leaf[] {
  if (typeof value === 'string') return [{ name, text: value }]
  if (Array.isArray(value)) return value.flatMap(one => leavesOf(one, name))
  return isMembers(value) ? Object.entries(value).flatMap(([inner, one]) => leavesOf(one, inner)) : []
}

function refuse(reason: string): Verdict {
  return {
    refusal: { code: 'INVALID_INPUT' },
    notes: [{ name: 'validate', decision: 'refuse', reason }],
  }
}

function schemaFault(
  { schemas, refusesUnlisted }: State,
  subject: Subject,
  args: unknown,
): string | undefined {
  const { method, server = '', target = '' } = subject
  if (method !== 'tools/call') return undefined
  const fault = schemas.fault(server, target, args)
  if (fault !== 'unknown') return fault
  return refusesUnlisted ? 'unlisted_tool' : undefined
}

function payloadFault({ inspect }: State, leaves: readonly Leaf[]): string | undefined {
  if (inspect === undefined) return undefined
  for (const { name, text } of leaves) {
    const kind = inspect(name, text)
    if (kind !== undefined) return `payload_${kind}`
  }
  return undefined
}

interface Said {
  readonly params: unknown
  readonly leaves: readonly Leaf[]
}

/** The paths that a request names: arguments of that role, and resources that are files. */
function pathsOf({ paths }: State, { method }: Subject, { params, leaves }: Said): readonly string[] {
  if (paths === undefined) return []
  const named = leaves.filter(({ name }) => isPathName(name, paths)).map(({ text }) => text)
  const uri = method.startsWith('resources/') ? member(params, 'uri') : undefined
  if (typeof uri !== 'string' || !/^\s*file:/iu.test(uri)) return named
  // What cannot be read as a path of this machine leads nowhere.
  return [...named, pathOfFile(uri) ?? '\0']
}

/** What is wrong with the first text of which something is. */
async function firstFault(
  check: PathCheck | undefined,
  texts: readonly string[],
): Promise<string | undefined> {
  for (const text of texts) {
    const fault = await check?.(text)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** What must be looked up: where paths and URLs lead. */
async function leadingFault(
  { pathCheck, urlCheck }: State,
  { paths, urls }: { readonly paths: readonly string[]; readonly urls: readonly string[] },
): Promise<string | undefined> {
  return (await firstFault(pathCheck, paths)) ?? (await firstFault(urlCheck, urls))
}

/** Each URL that a request names, once. */
function urlsOf({ urls }: State, leaves: readonly Leaf[]): readonly string[] {
  if (urls === undefined) return []
  return [...new Set(leaves.filter(({ name }) => isUrlName(name, urls)).map(({ text }) => text))]
}

function cleaned({ sanitise }: State, { method, target }: Subject, message: Members): Members | undefined {
  if (method !== 'tools/call' || sanitise?.tools.includes(target ?? '') !== true) return undefined
  const params = message['params']
  const args = member(params, 'arguments')
  const clean = sanitised(args, sanitise)
  return clean === args || !isMembers(params)
    ? undefined
    : { ...message, params: { ...params, arguments: clean } }
}

function judge(state: State, subject: Subject, given: Members): Soon<Verdict | undefined> {
  const shape = shapeFault(given['params'], state.limits)
  if (shape !== undefined) return refuse(shape)
  const clean = cleaned(state, subject, given)
  const params = (clean ?? given)['params']
  const args = member(params, 'arguments')
  const leaves = leavesOf(args)
  const fault = schemaFault(state, subject, args) ?? payloadFault(state, leaves)
  if (fault !== undefined) return refuse(fault)
  const passed: Verdict | undefined = clean && {
    message: clean,
    notes: [{ name: 'validate', decision: 'sanitise' }],
  }
  const paths = pathsOf(state, subject, { params, leaves })
  const urls = urlsOf(state, leaves)
  if (paths.length + urls.length === 0) return passed
  if (urls.length > mostUrls) return refuse('too_many_urls')
  return andThen(leadingFault(state, { paths, urls }), wrong =>
    wrong === undefined ? passed : refuse(wrong),
  )
}

function limitsOf(options: ValidateOptions): ShapeLimits {
  const { maxBytes, maxStringLength, maxDepth, maxParameters } = { ...defaultShape, ...options }
  const limits = { maxBytes, maxStringLength, maxDepth, maxParameters }
  if (Object.values(limits).every(one => Number.isInteger(one) && one > 0)) return limits
  throw new AppError('CONFIG_INVALID', 'A limit of validation is no positive whole number.')
}

type Checks = Pick<State, 'paths' | 'urls' | 'sanitise' | 'inspect' | 'pathCheck' | 'urlCheck'>

function checksOf({ paths, urls, sanitise, inspect }: ValidateOptions): Checks {
  return {
    pathCheck: paths && createPathCheck(paths),
    urlCheck: urls && createUrlCheck(urls),
    ...(paths !== undefined && { paths }),
    ...(urls !== undefined && { urls }),
    ...(sanitise !== undefined && { sanitise }),
    ...(inspect !== undefined && { inspect }),
  }
}

/** A guard that refuses requests whose shape, arguments, payloads or paths are not what the server is meant to get. */
export function validate(options: ValidateOptions = {}): GuardPart {
  const { tools = {}, unlisted = 'pass', unknownParameters = 'refuse' } = options
  const parts = {
    limits: limitsOf(options),
    refusesUnlisted: unlisted === 'refuse',
    ...checksOf(options),
  }
  return {
    stage: 'validate',
    open: (): Guard => {
      const state: State = { ...parts, schemas: createToolSchemas(tools, unknownParameters === 'refuse') }
      return {
        request: (subject, message) => judge(state, subject, message),
        response: ({ method, server = '' }, message) => {
          if (method === 'tools/list') state.schemas.learn(server, message['result'])
          return undefined
        },
      }
    },
  }
}
