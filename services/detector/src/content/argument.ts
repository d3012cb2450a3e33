import { inspect } from './index.ts'

/** Kinds that are an attack on whoever runs an argument; what only tells of one, or hides, is for rules over events. */
const attacks = ['sqli', 'nosqli', 'shell', 'traversal', 'ssrf', 'template', 'entity', 'directory'] as const
/** The kind of attack that a text is in an argument of this name; `undefined` where it is none that would be refused. */
export function inspectArgument(name: string, text: string): string | undefined {
  const found = inspect([{ source: 'argument', path: name, name, text }])
  return attacks.find(kind => found.has(kind))
}
