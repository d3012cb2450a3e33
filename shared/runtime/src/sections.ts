import { z } from 'zod'
import { invalid, nearest } from './invalid.ts'
import type { SettingRole } from './settings.ts'

/** One row of the table of sections. */
export interface SectionEntry {
  /** One line for people. */
  readonly doc: string
  readonly roles: readonly SettingRole[]
}

/**
 * The nested documents of `muniment.yaml`, each read by one package with a schema of its own. A section stands in the file only: what
 * has one value is a setting.
 */
export const sections = {
  pii: {
    doc: 'What is masked and how: kinds of personal data × places → action; the README of `@muniment/pii` has all of it.',
    roles: ['masker'],
  },
  alerts: {
    doc: 'Where alerts go: webhook, slack, email, sse and stdout, by name; the README of `@muniment/alerts` has all of it.',
    roles: ['alerts'],
  },
  auth: {
    doc: 'Who may call what `muniment proxy` stands in front of, and the API of `muniment run query`: OAuth issuers, API keys, client certificates; the README of `@muniment/auth` has all of it.',
    roles: ['interceptor', 'query'],
  },
  response: {
    doc: 'Which rules may decide about callers, tools and servers, and what they may never touch; the README of `@muniment/detector` has all of it.',
    roles: ['detector'],
  },
  guard: {
    doc: 'What `muniment wrap` and `muniment proxy` refuse: limits, validation, errors; `infra/docs/guard.md` has all of it.',
    // Limits of a fleet: somebody counts its members.
    roles: ['interceptor', 'detector'],
  },
  detection: {
    doc: 'Which tools bring in the words of strangers, hand out what is not public, or take data out, and which classifier is asked; the README of `@muniment/detector` has all of it.',
    roles: ['detector'],
  },
  retention_classes: {
    doc: 'How long what of whom is kept, where not for `MUNIMENT_RETENTION_DAYS`: tenants and kinds → days; the README of `@muniment/archive` has all of it.',
    roles: ['archiver', 'notary'],
  },
} as const satisfies Readonly<Record<string, SectionEntry>>

/** The name of a section in `muniment.yaml`. */
export type SectionName = keyof typeof sections

type Path = readonly PropertyKey[]

/** A section as it was written. */
export interface Section {
  readonly name: SectionName
  /** Maps, lists, texts, numbers, booleans and nulls; not checked yet. */
  readonly value: unknown
  /** Line of what a path inside the section names, or of what there is of it. */
  readonly lineOf: (path: Path) => number
}

export function isSectionName(name: string): name is SectionName {
  return Object.hasOwn(sections, name)
}

function written(path: Path): string {
  return path.map(step => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('')
}

/** Why a place of a section cannot be used. */
interface SectionIssue {
  /** Keys and indexes inside the section. */
  readonly path: Path
  /** As in "pii.rules[0] … masks nothing." */
  readonly problem: string
  readonly hint?: string
}

/** `CONFIG_INVALID` for a place of a section, named with its path, file and line; for what a schema alone cannot tell. */
export function sectionIssue(section: Section, { path, problem, hint }: SectionIssue): Error {
  const place = `${section.name}${written(path)}`.slice(0, 200)
  return invalid(`${place} in muniment.yaml (line ${section.lineOf(path)})`, problem, hint)
}

type Schema = z.core.$ZodType

function inner(schema: Schema, step: PropertyKey): readonly Schema[] {
  if (schema instanceof z.ZodObject) return [schema.shape[String(step)]].filter(each => each !== undefined)
  if (schema instanceof z.ZodArray) return [schema.element]
  return schema instanceof z.ZodRecord ? [schema.valueType] : []
}

/** A schema without what only wraps it; a union as its members. */
function bare(schema: Schema): readonly Schema[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return bare(schema.unwrap())
  if (schema instanceof z.ZodPipe) return bare(schema.in)
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(bare)
  return [schema]
}

/** Names that a map may have at a path. */
function knownKeys(schema: Schema, path: Path): readonly string[] {
  let reached = bare(schema)
  for (const step of path) reached = reached.flatMap(each => inner(each, step)).flatMap(bare)
  const keys = reached.flatMap(each => (each instanceof z.ZodObject ? Object.keys(each.shape) : []))
  return [...new Set(keys)]
}

function unknownKey(section: Section, schema: Schema, path: Path): Error {
  const known = knownKeys(schema, path.slice(0, -1))
  const meant = nearest(String(path.at(-1)), known)
  const hint = meant === undefined ? `Known here: ${known.join(', ')}.` : `Did you mean ${meant}?`
  return sectionIssue(section, { path, problem: 'is not known.', hint })
}

/** A name that is not known explains what is missing beside it. */
function telling(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue | undefined {
  return issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]
}

/** The issue of a union that says most: of the member that was followed furthest. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue
  const [best] = issue.errors
    .flatMap(issues => telling(issues) ?? [])
    .map(deepest)
    .toSorted((a, b) => b.path.length - a.path.length)
  return best === undefined || best.path.length === 0
    ? issue
    : { ...best, path: [...issue.path, ...best.path] }
}

/** What a section says, by the schema of who reads it. Throws `CONFIG_INVALID` with path, file and line. */
export function readSection<T>(section: Section, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(section.value)
  if (parsed.success) return parsed.data
  const first = telling(parsed.error.issues)
  if (first === undefined) throw sectionIssue(section, { path: [], problem: 'cannot be used.' })
  const issue = deepest(first)
  if (issue.code === 'unrecognized_keys')
    throw unknownKey(section, schema, [...issue.path, issue.keys[0] ?? ''])
  throw sectionIssue(section, { path: issue.path, problem: `cannot be used: ${issue.message}.` })
}
