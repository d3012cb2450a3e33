import { AppError } from '@muniment/schema'
import { isSignedBy, parseVerifierKey, type Checkpoint, type NoteVerifier } from './checkpoint.ts'
import { cosignatureOf, parseCosignerKey, type Cosignature } from './cosignature.ts'

/** A witness that a policy names. */
interface PolicyWitness {
  readonly verifier: NoteVerifier
  /** Where it takes checkpoints; policies for verifying alone may leave it out. */
  readonly url: string | undefined
}

/** Which signatures a checkpoint must carry. */
export interface WitnessPolicy {
  /** Keys of the log; empty where the policy leaves them to the caller. */
  readonly logs: readonly NoteVerifier[]
  readonly witnesses: readonly PolicyWitness[]
  /** Whether cosignatures of these witnesses, by the names of their keys, are enough. */
  readonly isMetBy: (names: ReadonlySet<string>) => boolean
}

type Rule = (names: ReadonlySet<string>) => boolean

interface Draft {
  readonly logs: NoteVerifier[]
  readonly witnesses: PolicyWitness[]
  /** Witnesses and groups by their name in the policy. */
  readonly rules: Map<string, Rule>
  quorum: string | undefined
}

function invalid(line: number, why: string): AppError {
  return new AppError('CONFIG_INVALID', `Line ${line} of the witness policy ${why}.`, {
    hint: 'A policy has lines `log <vkey>`, `witness <name> <vkey> [url]`, `group <name> any|all|<n> <member> …`, `quorum <name>|none`.',
  })
}

function parsed<T>(line: number, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw invalid(line, error instanceof Error ? `holds what is ${error.message}` : 'cannot be read')
  }
}

type Fields = readonly string[]

function addLog(draft: Draft, [vkey = '']: Fields, line: number): void {
  draft.logs.push(parsed(line, () => parseVerifierKey(vkey)))
}

function addRule(draft: Draft, at: { readonly name: string; readonly line: number }, rule: Rule): void {
  if (draft.rules.has(at.name) || at.name === 'none') throw invalid(at.line, `uses the name ${at.name} again`)
  draft.rules.set(at.name, rule)
}

function isAddress(url: string): boolean {
  return /^https?:$/u.test(URL.parse(url)?.protocol ?? '')
}

function addWitness(draft: Draft, [name = '', vkey = '', url]: Fields, line: number): void {
  const verifier = parsed(line, () => parseCosignerKey(vkey))
  if (url !== undefined && !isAddress(url)) throw invalid(line, 'has no http or https address')
  if (draft.witnesses.some(known => known.verifier.name === verifier.name))
    throw invalid(line, `names the witness ${verifier.name} again: it would count twice`)
  addRule(draft, { name, line }, names => names.has(verifier.name))
  draft.witnesses.push({ verifier, url })
}

function threshold(text: string, members: number): number | undefined {
  if (text === 'any') return 1
  if (text === 'all') return members
  const wanted = /^[1-9]\d{0,3}$/u.test(text) ? Number(text) : Infinity
  return wanted <= members ? wanted : undefined
}

function addGroup(draft: Draft, [name = '', count = '', ...members]: Fields, line: number): void {
  const wanted = threshold(count, members.length)
  if (wanted === undefined || members.length === 0) throw invalid(line, 'asks for more members than it names')
  if (new Set(members).size < members.length) throw invalid(line, 'names a member twice')
  const rules = members.map(member => {
    const rule = draft.rules.get(member)
    if (rule === undefined) throw invalid(line, `names ${member}, which no line above defines`)
    return rule
  })
  addRule(draft, { name, line }, names => rules.filter(rule => rule(names)).length >= wanted)
}

function setQuorum(draft: Draft, [name = '']: Fields, line: number): void {
  if (draft.quorum !== undefined) throw invalid(line, 'sets a second quorum')
  if (name !== 'none' && !draft.rules.has(name))
    throw invalid(line, `names ${name}, which no line above defines`)
  draft.quorum = name
}

const keywords: Readonly<Record<string, (draft: Draft, fields: Fields, line: number) => void>> = {
  log: addLog,
  witness: addWitness,
  group: addGroup,
  quorum: setQuorum,
}

/** Reads a policy in the form that C2SP tools share; throws `CONFIG_INVALID` with the line that is wrong. */
export function parsePolicy(text: string): WitnessPolicy {
  const draft: Draft = { logs: [], witnesses: [], rules: new Map(), quorum: undefined }
  for (const [index, line] of text.split('\n').entries()) {
    const [keyword = '', ...fields] = line.replace(/#.*$/u, '').trim().split(/\s+/u)
    if (keyword === '') continue
    const add = Object.hasOwn(keywords, keyword) ? keywords[keyword] : undefined
    if (add === undefined) throw invalid(index + 1, `begins with ${keyword}`)
    add(draft, fields, index + 1)
  }
  const { logs, witnesses, rules, quorum } = draft
  if (quorum === undefined) throw invalid(text.split('\n').length, 'is the last, and none sets a quorum')
  return { logs, witnesses, isMetBy: rules.get(quorum) ?? ((): boolean => true) }
}

/** Who signed a checkpoint. */
export interface Signed {
  readonly isSigned: boolean
  readonly cosignatures: readonly Cosignature[]
  /** Whether the policy, where there is one, has what it asks for. */
  readonly isWitnessed: boolean
}

/** What to trust: keys of the log, and the policy for its witnesses. */
export interface Trust {
  readonly verifiers: readonly NoteVerifier[]
  readonly policy: WitnessPolicy | undefined
}

/** Checks the signatures of a checkpoint; keys of the policy count beside those given. */
export function checkSignatures(checkpoint: Checkpoint, { verifiers, policy }: Trust): Signed {
  const cosignatures = (policy?.witnesses ?? []).flatMap(({ verifier }) => {
    const found = cosignatureOf(checkpoint, verifier)
    return found === undefined ? [] : [found]
  })
  const names = new Set(cosignatures.map(({ name }) => name))
  return {
    isSigned: isSignedBy(checkpoint, [...verifiers, ...(policy?.logs ?? [])]),
    cosignatures,
    isWitnessed: policy?.isMetBy(names) ?? false,
  }
}
