import { andThen, type Soon } from '../../soon.ts'
import type { Subject } from '../guard.ts'

const prefix = '=?base64?'
const suffix = '?='
const plainValue = /^[!-~](?:[\t -~]*[!-~])?$/u

/** The value of a mirrored parameter, out of the form in which a header field carries it. */
function decoded(field: string): string {
  const value = field.trim()
  if (!value.startsWith(prefix) || !value.endsWith(suffix)) return value
  return Buffer.from(value.slice(prefix.length, -suffix.length), 'base64').toString()
}

function encoded(value: string): string {
  const isPlain = plainValue.test(value) && !(value.startsWith(prefix) && value.endsWith(suffix))
  return isPlain ? value : `${prefix}${Buffer.from(value).toString('base64')}${suffix}`
}

type Fields = Readonly<Record<string, string>>

type Restore = (text: string) => Soon<string>

function withField(known: Fields, name: string, value: string): Fields {
  return { ...known, [name]: encoded(value) }
}

/** Fields of a modern request that mirror what was restored in its body, as they must then be. */
export function mirroredHeaders({ header, headerNames }: Subject, restore: Restore): Soon<Fields> {
  const names = (headerNames?.() ?? []).filter(name => name === 'mcp-name' || name.startsWith('mcp-param-'))
  return names.reduce<Soon<Fields>>((fields, name) => {
    const before = decoded(header?.(name) ?? '')
    return andThen(fields, known =>
      andThen(restore(before), after => (after === before ? known : withField(known, name, after))),
    )
  }, {})
}
