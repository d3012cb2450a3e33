import { isAsciiAlnum } from '../chars.ts'
import * as hint from '../hints.ts'
import { addHit, at, type Leaf } from '../leaf.ts'
import type { Recognizer, Word } from '../recognizer.ts'

/** Public prefixes of credentials with the least length of the whole token. */
const PREFIXES: ReadonlyArray<readonly [string, number]> = [
  ['ghp_', 30],
  ['gho_', 30],
  ['ghu_', 30],
  ['ghs_', 30],
  ['ghr_', 30],
  ['github_pat_', 40],
  ['glpat-', 24],
  ['sk-ant-', 30],
  ['sk-proj-', 30],
  ['sk-', 24],
  ['sk_live_', 20],
  ['sk_test_', 20],
  ['rk_live_', 20],
  ['pk_live_', 20],
  ['whsec_', 20],
  ['AKIA', 20],
  ['ASIA', 20],
  ['xoxb-', 20],
  ['xoxp-', 20],
  ['xoxa-', 20],
  ['xoxr-', 20],
  ['xoxs-', 20],
  ['xapp-', 20],
  ['SG.', 40],
  ['npm_', 30],
  ['pypi-', 40],
  ['hf_', 30],
  ['AIza', 35],
  ['ya29.', 30],
  ['GOCSPX-', 24],
  ['dop_v1_', 40],
  ['shpat_', 30],
  ['shpss_', 30],
  ['sq0atp-', 20],
  ['sq0csp-', 20],
  ['EAAA', 50],
  ['figd_', 30],
  ['dapi', 34],
  ['hvs.', 24],
  ['lin_api_', 30],
  ['ops_', 60],
  ['glsa_', 30],
  ['glc_', 30],
  ['sl.', 60],
  ['pscale_', 30],
  ['sbp_', 30],
  ['dckr_pat_', 24],
  ['NRAK-', 20],
  ['NRJS-', 20],
  ['key-', 32],
  ['EAAC', 50],
  ['ATATT3', 40],
  ['ATBB', 30],
  ['ATCTT3', 40],
  ['xkeysib-', 40],
  ['A3T', 20],
  ['amzn.mws.', 30],
  ['ABSK', 40],
  ['AccountKey=', 40],
  ['HRKU-', 30],
  ['squ_', 30],
  ['sqp_', 30],
  ['IGQV', 40],
  ['da2-', 24],
  ['dp.', 30],
  ['sk_live_', 20],
  ['cosmo_', 20],
  ['access_token$', 30],
  ['tfp_', 30],
  ['rdme_', 30],
  ['eyrt_', 20],
  ['AQ.', 30],
]

const byFirst = new Map<string, Array<readonly [string, number]>>()
for (const row of PREFIXES) byFirst.set(row[0].slice(0, 2), [...(byFirst.get(row[0].slice(0, 2)) ?? []), row])

const knownPrefix = (leaf: Leaf, start: number, end: number): boolean => {
  for (const [prefix, size] of byFirst.get(leaf.text.slice(start, start + 2)) ?? [])
    if (end - start >= size && leaf.text.startsWith(prefix, start)) return true
  return false
}

/** Three base64url parts, the first opening a JSON object (RFC 7519). */
const isJwt = (leaf: Leaf, start: number, end: number): boolean =>
  end - start > 30 && leaf.text.startsWith('eyJ', start) && leaf.text.slice(start, end).split('.').length >= 3

const onLong = (leaf: Leaf, start: number, end: number): void => {
  if (start < leaf.done) return
  const equals = leaf.text.indexOf('=', start)
  const from = equals > start && equals < end - 15 ? equals + 1 : start
  if (knownPrefix(leaf, from, end) || isJwt(leaf, from, end))
    addHit(leaf, { type: 'SECRET', start: from, end, score: 0.95 })
}

const PLACEHOLDER =
  /^(?:[*x.\-_]+|<.*|\$.*|%.*|\{.*|\[.*|null|true|false|none|undefined|required|string|your.*|example.*|changeme|redacted|\(.*)$/i

const isCredible = (value: string, isStrong: boolean): boolean => {
  if (value.length < (isStrong ? 4 : 12) || value.length > 4096 || PLACEHOLDER.test(value)) return false
  if (isStrong) return true
  return /[0-9]/.test(value) && /[a-zA-Z]/.test(value) && !/^[0-9a-f]+$/i.test(value) && !/\s/.test(value)
}

const onValue = (leaf: Leaf): void => {
  const value = leaf.text.slice(leaf.start, leaf.end)
  if (!isCredible(value.trim(), (leaf.own & hint.SECRET) !== 0)) return
  const scheme = /^(?:Bearer|Basic|Token|Digest) /i.exec(value)?.[0].length ?? 0
  addHit(leaf, { type: 'SECRET', start: leaf.start + scheme, end: leaf.end, score: 0.9 })
}

const ASSIGN = /^[\w-]{0,24}["'`]? {0,4}(?::=|=>|[:=]) {0,4}/
const VALUE = /^(?:(["'`])(?:(?!\1)[^\n]){4,512}\1|([^\s"'`,;)}\]]{4,512}))/

const onWord = (leaf: Leaf, word: Word): void => {
  if (word.start < leaf.done) return
  const after = leaf.text.slice(word.end, Math.min(leaf.end, word.end + 600))
  const assign = ASSIGN.exec(after)
  if (assign === null) return
  const found = VALUE.exec(after.slice(assign[0].length))
  if (found === null) return
  const isQuoted = found[2] === undefined
  const value = found[2] ?? found[0].slice(1, -1)
  if (!isCredible(value, true) || !/[0-9!@#$%^&*A-Z]/.test(value)) return
  const start = word.end + assign[0].length + (isQuoted ? 1 : 0)
  addHit(leaf, { type: 'SECRET', start, end: start + value.length, score: 0.85 })
}

const isHostStart = (c: number): boolean => isAsciiAlnum(c) || c === 91

/** Start of what stands between `//` and the sign, or -1. */
const userStart = (leaf: Leaf, sign: number): number => {
  let i = sign
  while (sign - i < 128 && at(leaf, i - 1) > 32 && at(leaf, i - 1) !== 47) i--
  return at(leaf, i - 1) === 47 && at(leaf, i - 2) === 47 ? i : -1
}

/** The password of `scheme://user:password@host`. */
const onSign = (leaf: Leaf, sign: number): void => {
  const user = userStart(leaf, sign)
  if (user < 0) return
  const colon = leaf.text.indexOf(':', user)
  if (colon < 0 || colon >= sign - 1 || !isHostStart(at(leaf, sign + 1))) return
  addHit(leaf, { type: 'SECRET', start: colon + 1, end: sign, score: 0.95 })
}

/** Credentials by their public prefixes, by key name, in URLs, and JSON web tokens. */
export const secret: Recognizer = {
  type: 'SECRET',
  onLong,
  words: hint.SECRET,
  onWord,
  onSign,
  keys: hint.SECRET | hint.WEAK_SECRET,
  onValue,
}
