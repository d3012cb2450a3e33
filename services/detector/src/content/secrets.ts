/** Formats of credentials that say themselves what they are. */
const formats =
  /\b(?:(?:AKIA|ASIA)[A-Z0-9]{16}\b|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{18,}|xox[abeprs]-[\w-]{10,}|sk-(?:ant-|proj-)?[\w-]{20,}|[rs]k_live_\w{16,}|AIza[\w-]{35}|npm_\w{36}|hf_\w{30,}|SG\.[\w-]{16,}\.[\w-]{16,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})|-----BEGIN (?:[A-Z]{2,10} )?PRIVATE KEY|\bssh-(?:rsa|ed25519)\s[A-Za-z0-9+/]{40}/u
const assigned =
  /(?:^|[^\w$])(?:[A-Za-z_]{0,32}(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?key|auth[_-]?token|token|private[_-]?key|credentials?))["']?\s{0,4}[:=]\s{0,4}["']?(?<value>[^\s"'<>{}[\](),;]{8,128})/giu
const connection = /\b[a-z][a-z0-9+]{2,20}:\/\/[^\s:@/]{1,64}:(?<value>[^\s:@/]{6,128})@[\w.-]{3,}/giu

const placeholder =
  /^[$%*<{[]|^x{3,}|example|changeme|your|placeholder|redacted|password|secret|\*{3}|\.{3}/iu

function countOf(text: string, kind: RegExp): number {
  return text.match(kind)?.length ?? 0
}

/** Letters and digits, or the two cases, mixed as people's words are not. */
function looksRandom(value: string): boolean {
  if (placeholder.test(value)) return false
  const [lower, upper, digits] = [
    countOf(value, /[a-z]/gu),
    countOf(value, /[A-Z]/gu),
    countOf(value, /\d/gu),
  ]
  const isTwoCased = lower > 0 && upper > 0
  if (digits > 0) return lower + upper > 0 && value.length >= (isTwoCased ? 8 : 10)
  return value.length >= 10 && lower >= 3 && upper >= 3 && /^[A-Za-z]+$/u.test(value)
}

/** Makers of keys print such ones in their documentation. */
const documented = /example|xxxx|1234567890/iu

/** Where a text with the format of a credential lies, or -1. */
function findKnown(text: string): number {
  const known = formats.exec(text)
  return known === null || documented.test(known[0]) ? -1 : known.index
}

/** Where in the text a credential lies, or -1. */
export function findSecret(text: string): number {
  const known = findKnown(text)
  if (known >= 0) return known
  for (const found of text.matchAll(connection)) {
    if (!placeholder.test(found.groups?.['value'] ?? '')) return found.index
  }
  for (const found of text.matchAll(assigned)) {
    if (looksRandom(found.groups?.['value'] ?? '')) return found.index
  }
  return -1
}
