const comment = String.raw`--[^\n]*|/\*[\s\S]*?(?:\*/|$)`
const dollars = String.raw`\$(?<tag>\w*)\$[\s\S]*?(?:\$\k<tag>\$|$)`
const escaped = String.raw`\b[eE]'(?:[^'\\]|''|\\[\s\S])*(?:'|$)`
const text = `'(?:[^']|'')*(?:'|$)`
const name = `"(?:[^"]|"")*(?:"|$)`
const long = String.raw`\b\d[\d_.]{5,}`
const tokens = new RegExp([comment, dollars, escaped, text, name, long].join('|'), 'gu')

const isInstant = /^'\d{4}-\d\d-\d\d(?:[T ][\d:.]{1,15}Z?)?'$/u
const isPlainName = /^"\w{1,64}"$/u

/**
 * SQL without what somebody looks for: texts, comments and long numbers become `?`, instants stay. A question about a person must not put that
 * person into the record of questions, and a fragment between wildcards is not recognised as personal.
 */
export function sqlOutline(sql: string): string {
  return sql.replaceAll(tokens, token => {
    if (isInstant.test(token) || isPlainName.test(token)) return token
    return token.startsWith("'") ? "'?'" : '?'
  })
}
