// What MCP servers conventionally read from the environment. Muniment reads the last of these itself; the others belong to the server
// that is guarded, which is started from the same environment.
import { verdicts, type Check, type Facts, type Finding } from './finding.ts'
import { wrongKeys } from '../upstream-keys.ts'
import { whyGuessable } from './secret.ts'

function authSecret({ env }: Facts): readonly Finding[] {
  const { fine, should, must } = verdicts('MCP_AUTH_SECRET')
  const hint =
    'Make one with `openssl rand -base64 48`, and keep it in a secret manager or a file of mode 0600.'
  const secret = env['MCP_AUTH_SECRET']
  if (secret === undefined || secret === '')
    return [
      should(
        'is not set: a server that signs tokens or sessions with it has none, or makes its own at every start.',
        hint,
      ),
    ]
  const why = whyGuessable(secret)
  return [why === undefined ? fine('is long and varied enough') : must(`${why}.`, hint)]
}

const talkative = new Set(['trace', 'debug', 'silly', 'verbose', 'all'])
const sober = new Set([
  'info',
  'notice',
  'warn',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
  'fatal',
])

function logLevel({ env }: Facts): readonly Finding[] {
  const { fine, should, must } = verdicts('MCP_LOG_LEVEL')
  const hint = 'Set MCP_LOG_LEVEL=info, or warn.'
  const level = env['MCP_LOG_LEVEL']?.trim().toLowerCase() ?? ''
  if (level === '') return [should('is not set: what the server logs is left to its own default.', hint)]
  if (talkative.has(level)) return [must(`is ${level}: such lines carry what people sent.`, hint)]
  return [
    sober.has(level)
      ? fine(`is ${level}`)
      : must('is no level that servers know, or turns the log off.', hint),
  ]
}

function originFinding(origin: string): Finding | undefined {
  const { must } = verdicts('MCP_ALLOWED_ORIGINS')
  const hint = 'Name the origins of your own pages: MCP_ALLOWED_ORIGINS=https://app.example.com.'
  if (origin.includes('*')) return must('contains *: any page that a user opens could call.', hint)
  if (!URL.canParse(origin) || new URL(origin).origin !== origin.toLowerCase())
    return must('holds something that is no origin, so that no page or the wrong one matches it.', hint)
  if (origin.startsWith('https:')) return undefined
  return must('names an origin without TLS: whoever is on the path can speak for that page.', hint)
}

function allowedOrigins({ env, config }: Facts): readonly Finding[] {
  const { fine } = verdicts('MCP_ALLOWED_ORIGINS')
  const text = env['MCP_ALLOWED_ORIGINS'] ?? config?.proxy.allowedOrigins.join(',') ?? ''
  const origins = text.split(',').flatMap(origin => origin.trim() || [])
  if (origins.length === 0) return [fine('is not set: no page of another origin may call')]
  const found = origins.flatMap(origin => originFinding(origin) ?? [])
  return found.length > 0 ? found.slice(0, 1) : [fine(`names ${origins.length}, none of them *`)]
}

function upstreamKeys({ env }: Facts): readonly Finding[] {
  return wrongKeys(env).map(({ variable, problem }) =>
    verdicts(variable).must(`${problem}.`, 'Set the key as its vendor gave it, or unset the variable.'),
  )
}

/** The variables of the server that is guarded. */
export const environmentChecks: readonly Check[] = [authSecret, logLevel, allowedOrigins, upstreamKeys]
