import { isMembers } from '../json.ts'

/** Characters that nobody sees and some machines obey: controls, zero widths, directions, tags, variation selectors beyond emoji. */
const invisible =
  /(?![\t\n\r])\p{Cc}|[\u00AD\u061C\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\uFEFF\uFFF9-\uFFFB\u{E0000}-\u{E007F}]/gu
const markup = /<!--[\s\S]*?-->|<[/!?]?[a-z][^<>]*>/giu
const rounds = 8

/** Takes tags out until none is left: what is left of `<scr<b>ipt>` is one again. */
function withoutMarkup(text: string): string {
  let [before, after] = ['', text]
  for (let round = 0; round < rounds && before !== after; round++)
    [before, after] = [after, after.replaceAll(markup, '')]
  return before === after ? after : after.replaceAll(/[<>]/gu, '')
}

/** How texts are cleaned. */
export interface SanitiseOptions {
  /** Tools whose arguments are cleaned. */
  readonly tools: readonly string[]
  /** Whether tags of HTML are taken out too. */
  readonly html?: boolean
}

/** The same value with clean texts; the same object where all are. */
export function sanitised(value: unknown, { html = false }: Pick<SanitiseOptions, 'html'>): unknown {
  if (typeof value === 'string') {
    const visible = value.replaceAll(invisible, '')
    return html ? withoutMarkup(visible) : visible
  }
  if (Array.isArray(value)) {
    const clean = value.map(one => sanitised(one, { html }))
    return clean.every((one, index) => one === value[index]) ? value : clean
  }
  if (!isMembers(value)) return value
  const clean = Object.entries(value).map(([name, one]): [string, unknown] => [
    name,
    sanitised(one, { html }),
  ])
  return clean.every(([name, one]) => one === value[name]) ? value : Object.fromEntries(clean)
}
