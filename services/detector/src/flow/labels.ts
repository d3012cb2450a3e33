import { isAbsolute } from 'node:path'
import { z } from 'zod'

const toolClasses = ['untrusted', 'private', 'egress'] as const

/** What a tool does to a flow of data: brings text that strangers wrote, hands out what is not public, or takes data out. */
type ToolClass = (typeof toolClasses)[number]

const pattern = z
  .string()
  .regex(
    /^[^\s/*]{1,128}(?:\*)?\/(?:[^\s*]{1,128}\*?|\*)$|^\*\/[^\s*]{1,128}\*?$/u,
    'not <server>/<tool>, each a name, a beginning with *, or *',
  )

/** The section `detection` of `muniment.yaml`. */
export const detectionSectionSchema = z.strictObject({
  /** What tools are, by `<server>/<tool>`; the first line that fits counts, and names decide where none does. */
  tools: z
    .array(z.strictObject({ tool: pattern, is: z.array(z.enum(toolClasses)).max(3) }))
    .max(1_000)
    .optional(),
  /** A program that scores texts; see the README of the detector. */
  classifier: z
    .strictObject({
      command: z.tuple([z.string().refine(isAbsolute, 'no absolute path')], z.string()),
      mode: z.enum(['shadow', 'on']).default('shadow'),
      deadline_ms: z.number().int().min(1).max(10_000).default(200),
    })
    .optional(),
})

/** The section `detection`, read. */
export type DetectionSection = z.infer<typeof detectionSectionSchema>

/** What a tool of a server is. */
export type ToolLabels = (server: string, tool: string) => ReadonlySet<ToolClass>

const list = (text: string): ReadonlySet<string> => new Set(text.split(' '))
const reads = list(
  'read get list search find query fetch lookup download export show open describe view dump select',
)
const sends = list(
  'send post publish upload share notify reply answer forward invite tweet email mail push submit comment',
)
const strangers = list(
  'web http url page browse browser crawl scrape rss feed inbox issue issues ticket tickets comment comments review reviews internet',
)
const nets = list('fetch http url webhook request curl browse navigate')
const own = list(
  'file files document documents customer customers user users account accounts contact contacts employee employees invoice invoices order orders payment payments salary patient patients record records database sql query secret secrets credential credentials vault password passwords calendar drive note notes email emails mail message messages memory',
)

function wordsOf(name: string): readonly string[] {
  return name
    .slice(0, 128)
    .replaceAll(/([a-z])([A-Z])/gu, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/u)
}

/** What the words of a tool's name tell; a guess, which is why a flow is told of only where data was seen to move, or an order to do so. */
function guess(server: string, tool: string): ReadonlySet<ToolClass> {
  const words = wordsOf(tool)
  const all = [...words, ...wordsOf(server)]
  const has = (names: ReadonlySet<string>, of: readonly string[] = words): boolean =>
    of.some(word => names.has(word))
  const found = new Set<ToolClass>()
  if (has(reads) && has(strangers, all)) found.add('untrusted')
  if (has(reads) && has(own) && !has(strangers, words)) found.add('private')
  if (has(sends) || has(nets)) found.add('egress')
  return found
}

function fits(wanted: string, name: string): boolean {
  return wanted.endsWith('*') ? name.startsWith(wanted.slice(0, -1)) : wanted === name
}

const mostRemembered = 10_000

/** Labels by the lines of the section, and by names where no line fits. */
export function createToolLabels({ tools = [] }: DetectionSection): ToolLabels {
  const lines = tools.map(({ tool, is }) => {
    const at = tool.indexOf('/')
    return { server: tool.slice(0, at), tool: tool.slice(at + 1), is: new Set(is) }
  })
  const remembered = new Map<string, ReadonlySet<ToolClass>>()
  return (server, tool) => {
    const key = `${server}\u{0}${tool}`
    const known = remembered.get(key)
    if (known !== undefined) return known
    const line = lines.find(each => fits(each.server, server) && fits(each.tool, tool))
    const found = line?.is ?? guess(server, tool)
    if (remembered.size >= mostRemembered) remembered.clear()
    remembered.set(key, found)
    return found
  }
}
