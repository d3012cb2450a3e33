import { isMembers, type Members } from '../../json.ts'
import { kinds } from './asked.ts'
import { isFoul } from './names.ts'
import { refuseOption } from './refuse-option.ts'
import { accesses, roles, type Needs, type Role, type RoleRules } from './roles.ts'

/** Where Cedar policies are. */
export interface PolicyOptions {
  /** Files with policies; read again when they change. */
  readonly files: readonly string[]
  /** JSON file with what `tools/list` answered, so that policies may name arguments. */
  readonly tools?: string
}

/** Who may do what. */
export interface AuthoriseOptions {
  /** What it takes to use which tool, prompt, resource or method; what is not named here, nobody may use. */
  readonly needs?: Needs
  /** Who has which role; who has none may use nothing that `needs` names. */
  readonly roles?: RoleRules
  /** Role of those whom nobody verified, as on a stdio connection; none where absent. */
  readonly anonymous?: Exclude<Role, 'admin'>
  /** Cedar policies, asked after the roles; both must permit. */
  readonly policies?: PolicyOptions
  /** `observe` refuses and hides nothing, and notes in the event what it would have done; default `enforce`. */
  readonly mode?: 'enforce' | 'observe'
}

const ruleKeys = ['principals', 'clients', 'scopes', 'issuer', 'method']
const mostEntries = 5000

function mapOf(value: unknown, option: string, known: readonly string[]): Members {
  if (!isMembers(value)) throw refuseOption(option, 'must be a map.')
  const unknown = Object.keys(value).find(key => !known.includes(key))
  if (unknown !== undefined)
    throw refuseOption(
      `${option}${option === '' ? '' : '.'}${unknown.slice(0, 100)}`,
      'is not known.',
      `Known there: ${known.join(', ')}.`,
    )
  return value
}

function checkTexts(value: unknown, option: string): void {
  if (!Array.isArray(value) || value.length === 0 || value.length > mostEntries)
    throw refuseOption(option, 'must be a list with something in it.')
  for (const text of value) checkText(text, option)
}

function checkText(value: unknown, option: string): void {
  if (typeof value !== 'string' || isFoul(value))
    throw refuseOption(
      option,
      'holds what is no name: a text, in its composed form, without invisible characters.',
    )
}

function checkNeeds(value: unknown): void {
  const needs = mapOf(value, 'needs', accesses)
  if (Object.keys(needs).length === 0)
    throw refuseOption('needs', 'names nothing, so that nobody could use anything.')
  for (const [access, targets] of Object.entries(needs)) {
    const map = mapOf(targets, `needs.${access}`, kinds)
    for (const [kind, names] of Object.entries(map)) checkTexts(names, `needs.${access}.${kind}`)
  }
}

function checkRule(value: unknown, option: string): void {
  const rule = mapOf(value, option, ruleKeys)
  if (Object.keys(rule).length === 0)
    throw refuseOption(option, 'says of nobody who it is.', 'Name principals, clients or scopes.')
  for (const [key, one] of Object.entries(rule)) {
    if (key === 'issuer' || key === 'method') checkText(one, `${option}.${key}`)
    else checkTexts(one, `${option}.${key}`)
  }
}

function checkRoles(value: unknown): void {
  for (const [role, rules] of Object.entries(mapOf(value, 'roles', roles))) {
    if (!Array.isArray(rules) || rules.length === 0)
      throw refuseOption(`roles.${role}`, 'must be a list with something in it.')
    rules.forEach((rule, at) => checkRule(rule, `roles.${role}[${at}]`))
  }
}

function checkPolicies(value: unknown): void {
  const { files, tools } = mapOf(value, 'policies', ['files', 'tools'])
  checkTexts(files, 'policies.files')
  if (tools !== undefined) checkText(tools, 'policies.tools')
}

function checkChoice(value: unknown, option: string, choices: readonly string[]): void {
  if (typeof value !== 'string' || !choices.includes(value))
    throw refuseOption(option, `must be one of ${choices.join(', ')}.`)
}

function checkWhole({ needs, roles: given, anonymous, policies }: Members): void {
  if (needs === undefined && policies === undefined)
    throw refuseOption(
      '',
      'says neither what anything needs nor which policies hold.',
      'Give needs and roles, or policies.',
    )
  if (needs !== undefined && given === undefined && anonymous === undefined)
    throw refuseOption('roles', 'gives nobody a role, so that nobody could use what needs names.')
}

const checks: Readonly<Record<string, (value: unknown) => void>> = {
  needs: checkNeeds,
  roles: checkRoles,
  anonymous: value => checkChoice(value, 'anonymous', ['viewer', 'editor']),
  policies: checkPolicies,
  mode: value => checkChoice(value, 'mode', ['enforce', 'observe']),
}

function isOptions(value: unknown): value is AuthoriseOptions {
  const options = mapOf(value, '', Object.keys(checks))
  for (const [name, one] of Object.entries(options)) if (one !== undefined) checks[name]?.(one)
  checkWhole(options)
  return true
}

/** Options from code or from `muniment.yaml`. Throws `CONFIG_INVALID` with the place of whatever cannot be meant. */
export function checkAuthorise(value: unknown): AuthoriseOptions {
  if (!isOptions(value)) throw refuseOption('', 'cannot be used.')
  return value
}
