/** Formats of credentials that say themselves what they are. */
const formats =
  /\b(?:(?:AKIA|ASIA)[A-Z0-9]{16}\b|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{18,}|xox[abeprs]-[\w-]{10,}|sk-(?:ant-|proj-)?[\w-]{20,}|[rs]k_live_\w{16,}|AIza[\w-]{35}|npm_\w{36}|hf_\w{30,}|SG\.[\w-]{16,}\.[\w-]{16,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})|-----BEGIN (?:[A-Z]{2,10} )?PRIVATE KEY|\bssh-(?:rsa|ed25519)\s[A-Za-z0-9+/]{40}/u
const assigned =
  /(?:^|[^\w$])(?:[A-Za-z_]{0,32}(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?key|auth[_-]?token|token|private[_-]?key|credentials?))["']?\s{0,4}[:=]\s{0,4}["']?(?<value>[^\s"'<>{}[\](),;]{8,128})/giu
const connection = /\b[a-z][a-z0-9+]{2,20}:\/\/[^\s:@/]{1,64}:(?<value>[^\s:@/]{6,128})@[\w.-]{3,}/giu

/** Letters and digits mixed as people's words are not. */
function looksRandom(value: string): boolean {
  if (/^[$%*<{[]|^x{3,}|example|changeme|your|placeholder|redacted|\*{3}|\.{3}/iu.test(value)) return false
  const kinds = [/[a-z]/u, /[A-Z]/u, /\d/u].filter(kind => kind.test(value)).length
  return kinds === 3 || (kinds === 2 && /\d/u.test(value) && value.length >= 10)
}

/** Where in the text a credential lies, or -1. */
export function findSecret(text: string): number {
  const known = text.search(formats)
  if (known >= 0) return known
  for (const pattern of [assigned, connection]) {
    for (const found of text.matchAll(pattern)) {
      if (looksRandom(found.groups?.['value'] ?? '')) return found.index
    }
  }
  return -1
}
