import { at, type Leaf, sliceOf, startsWith } from '../leaf.ts'
import type { Source } from '../source.ts'

/** Public prefixes of credentials, each with the least length of the whole token, as their issuers document them. */
const PREFIXES: readonly (readonly [string, number])[] = (
  'ghp_:30 gho_:30 ghu_:30 ghs_:30 ghr_:30 github_pat_:40 glpat-:24 gldt-:24 glrt-:24 sk-ant-:30 sk-proj-:30 sk-:24 sk_live_:20 sk_test_:20 ' +
  'rk_live_:20 rk_test_:20 pk_live_:20 whsec_:20 AKIA:20 ASIA:20 ABIA:20 ACCA:20 AROA:20 AIDA:20 xoxb-:20 xoxp-:20 xoxa-:20 xoxr-:20 xoxs-:20 ' +
  'xapp-:20 xoxe-:20 SG.:40 npm_:30 pypi-:40 hf_:30 AIza:35 ya29.:30 GOCSPX-:24 dop_v1_:40 doo_v1_:40 shpat_:30 shpss_:30 shpca_:30 sq0atp-:20 sq0csp-:20 ' +
  'EAAA:50 EAAC:50 EAAG:50 figd_:30 dapi:34 hvs.:24 hvb.:24 lin_api_:30 ops_:60 glsa_:30 glc_:30 sl.:60 pscale_:30 sbp_:30 dckr_pat_:24 NRAK-:20 ' +
  'NRJS-:20 NRBR-:20 NRII-:20 NRIQ-:20 key-:32 ATATT3:40 ATBB:30 ATCTT3:40 BBDC-:30 xkeysib-:40 amzn.mws.:30 ABSK:40 AccountKey=:40 HRKU-:30 ' +
  'squ_:30 sqp_:30 sqa_:30 IGQV:40 da2-:24 dp.:30 cosmo_:20 tfp_:30 rdme_:30 eyrt_:20 AQ.:30 LTAI:16 access_token:60 PMAK-:40 rubygems_:40 ' +
  'secret_:40 ntn_:40 pnu_:30 r8_:30 gsk_:40 pplx-:40 xai-:40 tvly-:30 fio-u-:40 nvapi-:40 phx_:30 phc_:30 sntrys_:40 sntryu_:40 CFPAT-:30 ' +
  'EZAK:40 EZTK:40 duffel_:30 FLWSECK:30 ion_:30 shippo_live_:30 sendinblue:30 AGE-SECRET-KEY-1:50 M2:60 cio:40 ' +
  'glptt-:24 glcbt-:24 glimt-:24 glft-:24 glsoat-:24 glagent-:24 glffct-:24 gloas-:40 lsv2_:40 pcsk_:50 fw_:26 rnd_:30 vercel_blob_rw_:40 nfp_:40 ' +
  'CCIPAT_:50 bkua_:44 sk_:50 fm2_:60 fm1r_:60 AQVN:38 sk-or-:40 LS0tLS1CRUdJTi:40 tskey-:30 dckr_oat_:24 xoxe.:40 sgp_:40'
)
  .split(' ')
  .map(row => [row.slice(0, row.lastIndexOf(':')), Number(row.slice(row.lastIndexOf(':') + 1))] as const)

/** Prefixes by their first letter, so that most tokens cost one look. */
const byFirst: ((readonly [string, number])[] | undefined)[] = Array.from({ length: 128 })
for (const row of PREFIXES) (byFirst[row[0].charCodeAt(0)] ??= []).push(row)

/** Whether a token begins like a known credential and is long enough to be one. */
export const hasPrefix = (leaf: Leaf, start: number, end: number): boolean => {
  const rows = byFirst[at(leaf, start)]
  if (rows === undefined) return false
  for (const [prefix, size] of rows) if (end - start >= size && startsWith(leaf, prefix, start)) return true
  return false
}

const FORMS =
  /^(?:[MNO][A-Za-z\d]{23,27}\.[\w-]{5,7}\.[\w-]{27,40}|\d{8,16}-[a-z0-9]{32}\.apps\.googleusercontent\.com|[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,80}|SK[0-9a-f]{32}|[A-Za-z0-9]{32,40}NRAL|[0-9a-f]{32}-us\d{1,2}|[A-Za-z0-9/+]{60,90}JQQJ99[A-Za-z0-9/+=]{10,40}|[\w.~-]{3}\dQ~[\w.~-]{31,34}|pat[A-Za-z0-9]{14}\.[0-9a-f]{64}|[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}|v1\.0-[0-9a-f]{24}-[0-9a-f]{100,200})$/

const hasDot = (leaf: Leaf, start: number, end: number): boolean => {
  for (let i = start; i < end; i++) if (at(leaf, i) === 46) return true
  return false
}

const LONG_FORM = 84

/** Addresses that are credentials: whoever knows the path may post. */
const HOOKS = ['//hooks.slack.com/services/', '//discord.com/api/webhooks/', '//discordapp.com/api/webhooks/']

/** Start of the secret part of such an address, or -1. */
export const hookStart = (leaf: Leaf, start: number, end: number): number => {
  if (at(leaf, start) !== 47) return -1
  const hook = HOOKS.find(each => startsWith(leaf, each, start))
  return hook !== undefined && end - start > hook.length + 20 ? start + hook.length : -1
}

/** A cheap look at what the forms have in common, since most long tokens are hashes. */
const mayBeMarked = (leaf: Leaf, start: number, end: number): boolean => {
  if (end - start >= LONG_FORM || (at(leaf, start) === 83 && at(leaf, start + 1) === 75)) return true
  if (startsWith(leaf, 'NRAL', end - 4) || at(leaf, end - 4) === 45 || at(leaf, end - 5) === 45) return true
  if (startsWith(leaf, 'Q~', start + 4) || (at(leaf, end - 9) === 45 && at(leaf, end - 18) === 45))
    return true
  return hasDot(leaf, start, end)
}

/** Credentials known by their whole form. */
export const isMarked = (leaf: Leaf, start: number, end: number): boolean =>
  end - start >= 34 &&
  end - start <= 240 &&
  mayBeMarked(leaf, start, end) &&
  FORMS.test(sliceOf(leaf, start, end))

const BOOKKEEPING_MAX = 64

/** Under a key of bookkeeping: one short token without `@` that begins like no credential holds nothing personal. */
export const isBookkeeping = (
  source: Source,
  range: { readonly start: number; readonly end: number },
): boolean => {
  const { start, end } = range
  if (end - start > BOOKKEEPING_MAX || byFirst[source.bytes[start] ?? 0] !== undefined) return false
  for (let i = start; i < end; i++) {
    const c = source.bytes[i] ?? 0
    if (c === 64 || c === 92 || c <= 32) return false
  }
  return true
}
