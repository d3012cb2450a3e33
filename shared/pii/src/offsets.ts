/** From an offset of a decoded text to the offset of the same place in the text it was decoded from. */
export type OffsetMap = (offset: number) => number

const unitSize = (text: string, escape: number): number => (text.charCodeAt(escape + 1) === 117 ? 6 : 2)

/** Map for a JSON string whose content begins at `start`: each call walks on from the last one, back calls start anew. */
export const createOffsetMap = (text: string, start: number): OffsetMap => {
  let raw = start
  let plain = 0
  let escape = text.indexOf('\\', start)
  return offset => {
    if (offset < plain) {
      raw = start
      plain = 0
      escape = text.indexOf('\\', start)
    }
    while (escape >= 0 && plain + (escape - raw) < offset) {
      plain += escape - raw + 1
      raw = escape + unitSize(text, escape)
      escape = text.indexOf('\\', raw)
    }
    return raw + (offset - plain)
  }
}
