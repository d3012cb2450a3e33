/** What a parameter is for, as its name and its text tell; decides which grammar is a payload there and which is everyday use. */
export type Role = 'command' | 'code' | 'query' | 'path' | 'url' | 'text' | 'title' | 'value'

const byWord: Readonly<Record<string, Role>> = {
  command: 'command',
  cmd: 'command',
  commands: 'command',
  shell: 'command',
  bash: 'command',
  cli: 'command',
  exec: 'command',
  code: 'code',
  script: 'code',
  source: 'code',
  snippet: 'code',
  program: 'code',
  sql: 'query',
  query: 'query',
  statement: 'query',
  path: 'path',
  paths: 'path',
  file: 'path',
  filename: 'path',
  filepath: 'path',
  dir: 'path',
  directory: 'path',
  folder: 'path',
  url: 'url',
  uri: 'url',
  link: 'url',
  href: 'url',
  callback: 'url',
  webhook: 'url',
  endpoint: 'url',
  title: 'title',
  subject: 'title',
  label: 'title',
  caption: 'title',
  topic: 'title',
  headline: 'title',
  body: 'text',
  content: 'text',
  contents: 'text',
  text: 'text',
  message: 'text',
  comment: 'text',
  description: 'text',
  prompt: 'text',
  note: 'text',
  notes: 'text',
  summary: 'text',
  question: 'text',
  template: 'text',
  html: 'text',
  markdown: 'text',
  data: 'text',
}

const roles = new Map<string, Role>()
const mostNames = 10_000

function lookUp(name: string): Role {
  const words = name
    .replaceAll(/([a-z])([A-Z])/gu, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/u)
  // The last word names the thing: `file_url` is a URL, `url_path` a path.
  for (const word of words.toReversed()) {
    const role = byWord[word]
    if (role !== undefined) return role
  }
  return 'value'
}

/** The role of a parameter by the last word of its name that tells one; `value` where none does. */
export function roleOf(name: string): Role {
  const known = roles.get(name)
  if (known !== undefined) return known
  const role = lookUp(name)
  if (roles.size < mostNames) roles.set(name, role)
  return role
}
