import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { isMembers, member, textMember, type Members } from '../json.ts'

/** What is known of the arguments of tools: given, or learned from what servers list. */
export interface ToolSchemas {
  readonly learn: (server: string, result: unknown) => void
  /** What is wrong with arguments, in one word; `undefined` where nothing is, `unknown` where no schema is known. */
  readonly fault: (server: string, tool: string, args: unknown) => string | undefined
}

interface Known {
  readonly schema: Members
  /** Made when the tool is first called; `undefined` where the schema cannot be used. */
  check?: ValidateFunction | undefined
  isCompiled: boolean
}

const mostTools = 2000
const maxSchemaBytes = 256 * 1024
const open = [
  'additionalProperties',
  'unevaluatedProperties',
  'patternProperties',
  '$ref',
  'allOf',
  'anyOf',
  'oneOf',
  'if',
]

/** Who says nothing of further names meant none: the schema then says so. */
function closed(schema: Members): Members {
  const isOpen = !isMembers(schema['properties']) || open.some(name => name in schema)
  return isOpen ? schema : { ...schema, additionalProperties: false }
}

const meta: ReadonlySet<string> = new Set(['$schema', '$id', '$async'])

/** Without what would name a schema in the validator's own store, ask for a dialect that it does not hold, or make of its verdict a promise. */
function nameless(schema: Members): Members {
  return Object.fromEntries(Object.entries(schema).filter(([name]) => !meta.has(name)))
}

function compile(known: Known): ValidateFunction | undefined {
  if (known.isCompiled) return known.check
  known.isCompiled = true
  try {
    const ajv = new Ajv2020({ strict: false, validateSchema: false, validateFormats: false, logger: false })
    known.check = ajv.compile(known.schema)
  } catch {
    known.check = undefined
  }
  return known.check
}

function wordOf({ errors }: ValidateFunction): string {
  const keyword = errors?.[0]?.keyword
  return keyword === 'additionalProperties' ? 'unknown_parameter' : `schema_${keyword ?? 'false'}`
}

/** A store of schemas; of too many tools the one learned first is forgotten. */
export function createToolSchemas(
  given: Readonly<Record<string, unknown>>,
  refuseUnknown: boolean,
): ToolSchemas {
  const tools = new Map<string, Known>()
  const put = (key: string, schema: unknown): void => {
    if (!isMembers(schema) || JSON.stringify(schema).length > maxSchemaBytes) return
    const plain = nameless(schema)
    tools.delete(key)
    tools.set(key, { schema: refuseUnknown ? closed(plain) : plain, isCompiled: false })
    if (tools.size > mostTools) tools.delete(tools.keys().next().value ?? '')
  }
  for (const [name, schema] of Object.entries(given)) put(`\n${name}`, schema)
  return {
    learn: (server, result) => {
      const list = member(result, 'tools')
      if (!Array.isArray(list)) return
      for (const tool of list.slice(0, mostTools)) {
        const name = textMember(tool, 'name')
        if (name !== undefined) put(`${server}\n${name}`, member(tool, 'inputSchema'))
      }
    },
    fault: (server, tool, args) => {
      const known = tools.get(`\n${tool}`) ?? tools.get(`${server}\n${tool}`)
      const check = known && compile(known)
      if (check === undefined) return 'unknown'
      return check(args ?? {}) ? undefined : wordOf(check)
    },
  }
}
