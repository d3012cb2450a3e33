// Keys of upstream APIs in the environment of an MCP server: a wrong one shows only when a tool fails, far from where it was set.

type Environment = Readonly<Record<string, string | undefined>>

interface KeyForm {
  readonly vendor: string
  /** Names under which such keys are kept. */
  readonly names: RegExp
  /** How one begins, and all of it. */
  readonly begins: RegExp
  readonly whole: RegExp
}

/** Longer beginnings before those that they begin with. */
const forms: readonly KeyForm[] = [
  {
    vendor: 'GitHub',
    names: /^(?:GITHUB|GH)_.*(?:TOKEN|PAT)$/u,
    begins: /^(?:gh[opsur]_|github_pat_)/u,
    whole: /^(?:gh[opsur]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}|[0-9a-f]{40})$/u,
  },
  {
    vendor: 'Anthropic',
    names: /^ANTHROPIC_.*KEY$/u,
    begins: /^sk-ant-/u,
    whole: /^sk-ant-[a-z0-9]{2,20}-[A-Za-z0-9_-]{80,200}$/u,
  },
  {
    vendor: 'OpenAI',
    names: /^OPENAI_.*KEY$/u,
    begins: /^sk-/u,
    whole: /^sk-(?!ant-)[A-Za-z0-9_-]{40,250}$/u,
  },
  {
    vendor: 'GitLab',
    names: /^GITLAB_.*TOKEN$/u,
    begins: /^glpat-/u,
    whole: /^glpat-[A-Za-z0-9_.-]{20,100}$/u,
  },
  {
    vendor: 'Slack',
    names: /^SLACK_.*TOKEN$/u,
    begins: /^xox[a-z]-/u,
    whole: /^xox[a-z]-[A-Za-z0-9-]{24,300}$/u,
  },
  { vendor: 'npm', names: /^NPM_TOKEN$/u, begins: /^npm_/u, whole: /^npm_[A-Za-z0-9]{36}$/u },
]

/** A variable whose key cannot be right, and why; never the key or a part of it. */
export interface WrongKey {
  readonly variable: string
  readonly problem: string
}

const placeholder = /^(?:.{0,12}(?:x{6,}|\.{3}|…|<|\*{3})|.{0,16}(?:your|example|placeholder|changeme))/iu

function problemOf(variable: string, value: string): string | undefined {
  const bare = value
    .trim()
    .replace(/^(["'])(.*)\1$/su, '$2')
    .replace(/^Bearer\s+/iu, '')
  const byText = forms.find(({ begins }) => begins.test(bare))
  const byName = forms.find(({ names }) => names.test(variable))
  const form = byText ?? byName
  if (form === undefined) return undefined
  if (byName !== undefined && byText !== undefined && byName !== byText)
    return `holds a key of ${byText.vendor}, not of ${byName.vendor}`
  if (placeholder.test(bare)) return `holds a placeholder, not a key of ${form.vendor}`
  if (!form.whole.test(bare)) return `holds what has not the form of a key of ${form.vendor}`
  return bare === value
    ? undefined
    : `holds a key of ${form.vendor} with quotes, spaces or “Bearer” around it`
}

/** Keys of upstream APIs that cannot be right. */
export function wrongKeys(env: Environment): readonly WrongKey[] {
  return Object.entries(env).flatMap(([variable, value = '']) => {
    const problem = value === '' ? undefined : problemOf(variable, value)
    return problem === undefined ? [] : [{ variable, problem }]
  })
}

/** What the official clients pass on to servers where nobody says more, so that programs start. */
const always = new Set(
  [
    ['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER', 'LANG', 'TZ', 'TMPDIR'],
    ['APPDATA', 'HOMEDRIVE', 'HOMEPATH', 'LOCALAPPDATA', 'PROCESSOR_ARCHITECTURE', 'PROGRAMFILES'],
    ['SYSTEMDRIVE', 'SYSTEMROOT', 'TEMP', 'USERNAME', 'USERPROFILE'],
  ].flat(),
)

/** The environment of which only named variables are left, and those without which programs do not start; a `*` at the end of a name stands for the rest. */
export function allowedEnvironment(env: Environment, names: readonly string[]): Environment {
  const isNamed = (variable: string): boolean =>
    names.some(name => (name.endsWith('*') ? variable.startsWith(name.slice(0, -1)) : variable === name))
  return Object.fromEntries(
    Object.entries(env).filter(([variable]) => always.has(variable.toUpperCase()) || isNamed(variable)),
  )
}
