import { member, textMember } from '../../json.ts'
import { attributesOf, type CedarAttributes } from './arguments.ts'
import { isFoul } from './names.ts'

/** What policies call things. */
export const namespace = 'Mcp'

type Named = Readonly<Record<string, unknown>>

const text = { type: 'String', required: true }
const whole = { type: 'Long', required: true }
const texts = { type: 'Set', element: { type: 'String' }, required: true }

function record(attributes: Named, required = true): Named {
  return { type: 'Record', attributes, required }
}

const commonContext: Named = {
  tenant: text,
  risk: text,
  address: { type: 'Extension', name: 'ipaddr', required: false },
  time: record({ hour: whole, minute: whole, weekday: whole }),
  shape: record({ names: texts, count: whole, depth: whole, characters: whole }),
}

const principalShape: Named = {
  type: 'Record',
  attributes: {
    id: text,
    method: text,
    scopes: texts,
    issuer: { ...text, required: false },
    clientId: { ...text, required: false },
  },
}

const thing: Named = {
  memberOfTypes: ['Server'],
  shape: { type: 'Record', attributes: { name: text, access: { ...text, required: false } } },
}

const entityTypes: Named = {
  Role: { memberOfTypes: ['Role'] },
  Principal: { memberOfTypes: ['Role'], shape: principalShape },
  Anonymous: { memberOfTypes: ['Role'], shape: principalShape },
  Server: {},
  Tool: thing,
  Prompt: thing,
  Resource: thing,
  Method: thing,
}

function action(resource: string, more: Named = {}, parent?: string): Named {
  return {
    ...(parent !== undefined && { memberOf: [{ id: parent }] }),
    appliesTo: {
      principalTypes: ['Principal', 'Anonymous'],
      resourceTypes: [resource],
      context: { type: 'Record', attributes: { ...commonContext, ...more } },
    },
  }
}

const mostTools = 2000

/** Tools whose arguments policies may name, from what `tools/list` answered: the whole response, its result, or its `tools`. */
export function toolsOf(listed: unknown): ReadonlyMap<string, CedarAttributes> | undefined {
  const result = member(listed, 'result') ?? listed
  const tools = Array.isArray(result) ? result : member(result, 'tools')
  if (!Array.isArray(tools) || tools.length > mostTools) return undefined
  const found = new Map<string, CedarAttributes>()
  for (const tool of tools) {
    const name = textMember(tool, 'name')
    if (name === undefined || isFoul(name) || found.has(name)) return undefined
    found.set(name, attributesOf(member(tool, 'inputSchema')))
  }
  return found
}

/** The action of a call of a tool whose arguments are known. */
export function toolAction(name: string): string {
  return `tools/call/${name}`
}

/** The schema of Cedar to which policies are held, in its JSON form. */
export function cedarSchema(tools: ReadonlyMap<string, CedarAttributes>): Readonly<Record<string, Named>> {
  const actions: Record<string, unknown> = {
    'tools/call': action('Tool'),
    'prompts/get': action('Prompt'),
    'resources/read': action('Resource'),
    other: action('Method'),
  }
  for (const [name, attributes] of tools)
    actions[toolAction(name)] = action('Tool', { arguments: record(attributes) }, 'tools/call')
  return { [namespace]: { entityTypes, actions } }
}
