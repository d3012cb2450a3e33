import { isAlnum, isAlpha, isAsciiAlnum, isDigit } from '../chars.ts'
import type { Cluster } from '../digits.ts'
import { addHit, at, before, type Leaf, sliceOf } from '../leaf.ts'
import type { Recognizer } from '../recognizer.ts'

/** Country and total length, from the IBAN registry of ISO 13616 and the partial list of non-registered users. */
const LENGTHS = new Map(
  (
    'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 ' +
    'FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 ' +
    'MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 ' +
    'SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 ' +
    'AO25 BF28 BJ28 CF27 CG27 CI28 CM27 CV25 DZ26 GA27 GQ27 GW25 IR26 KM27 MA28 MG27 ML28 MZ25 NE28 SN28 TD27 TG28'
  )
    .split(' ')
    .map(row => [row.slice(0, 2), Number(row.slice(2))] as const),
)

const isJoint = (c: number): boolean => c === 32 || c === 45 || c === 46

/** End of `size` letters and digits with single separators between, or -1. */
const spanEnd = (leaf: Leaf, start: number, size: number): number => {
  let left = size
  let i = start
  while (left > 0) {
    const c = at(leaf, i)
    if (isAsciiAlnum(c)) left--
    else if (!isJoint(c) || !isAsciiAlnum(at(leaf, i + 1))) return -1
    i++
  }
  return i
}

/** ISO 7064 MOD 97-10 with the first four characters moved to the end. */
const passesCheck = (leaf: Leaf, start: number, end: number): boolean => {
  const chars = sliceOf(leaf, start, end).replace(/[ .-]/g, '').toUpperCase()
  let rest = 0
  for (let i = 0; i < chars.length; i++) {
    const c = chars.charCodeAt((i + 4) % chars.length)
    rest = isDigit(c) ? (rest * 10 + c - 48) % 97 : (rest * 100 + c - 55) % 97
  }
  return rest === 1
}

const onDigits = (leaf: Leaf, cluster: Cluster): void => {
  const digits = cluster.groupStart[0] ?? 0
  const start = digits - 2
  if (!isAlpha(at(leaf, start)) || !isAlpha(at(leaf, start + 1)) || isAlnum(before(leaf, start - 1))) return
  const size = LENGTHS.get(sliceOf(leaf, start, digits).toUpperCase())
  if (size === undefined || !isDigit(at(leaf, digits + 1))) return
  const end = spanEnd(leaf, start, size)
  if (end < 0 || isAlnum(at(leaf, end)) || !passesCheck(leaf, start, end)) return
  addHit(leaf, { type: 'IBAN', start, end, score: 1 })
}

/** International bank account numbers: country, length and both check digits of ISO 13616. */
export const iban: Recognizer = { type: 'IBAN', onDigits }
