/** Some of the bytes of a record. */
export interface Slice {
  bytes: Buffer
  start: number
  end: number
}

/** The same bytes as a buffer; a view of its own only where they are none, since views cost more than most of what is done with them. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Values of JSON as numbers; NaN is NULL. */
export type ParseNumber = (slice: Slice) => number

const zero = 0x30
const minus = 0x2d
const dot = 0x2e
const quote = 0x22
/** As many digits fit a number without loss. */
const exactDigits = 15

/** Powers of ten: to work one out costs more than to read a time. */
const tens = Array.from({ length: exactDigits + 1 }, (_, power) => 10 ** power)

const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/u

function textOf({ bytes, start, end }: Slice): string {
  return bytes.toString('latin1', start, end)
}

function odd(slice: Slice): number {
  const text = textOf(slice)
  return jsonNumber.test(text) ? Number(text) : NaN
}

/** The number that digits from `start` to `end` make; -1 where there are others. */
function digits(bytes: Buffer, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] ?? 0) - zero
    if (digit < 0 || digit > 9) return -1
    value = 10 * value + digit
  }
  return value
}

function pointIn({ bytes, start, end }: Slice): number {
  let at = start
  while (at < end && bytes[at] !== dot) at += 1
  return at
}

/** A number of JSON, as a double. */
export function realOf(slice: Slice): number {
  const { bytes, start, end } = slice
  const point = pointIn(slice)
  const whole = digits(bytes, start, point)
  const part = digits(bytes, point + 1, end)
  const isPlain = whole >= 0 && part >= 0 && point > start && end - start <= exactDigits && point + 1 < end
  if (!isPlain || (bytes[start] === zero && point > start + 1)) return odd(slice)
  // Both are exact, so their quotient is the nearest double, as parsing has it.
  const scale = tens[end - point - 1] ?? NaN
  return (whole * scale + part) / scale
}

/** A whole number of JSON; one that a double cannot hold exactly is none. */
export function wholeOf(slice: Slice): number {
  const { bytes, start, end } = slice
  const first = bytes[start] === minus ? start + 1 : start
  const isShort = end > first && end - first <= exactDigits && (bytes[first] !== zero || end === first + 1)
  const value = isShort ? digits(bytes, first, end) : -1
  if (value >= 0) return first === start ? value : -value
  const other = odd(slice)
  return Number.isSafeInteger(other) ? other : NaN
}

/** 1 for `true`, 0 for `false`. */
export function flagOf(slice: Slice): number {
  const text = textOf(slice)
  if (text === 'true') return 1
  return text === 'false' ? 0 : NaN
}

/** The last day that was asked for, since nearly all records are of one. */
const day = { digits: -1, us: NaN }

/** Microseconds at the start of the day that begins at `at`; NaN where the calendar has none. */
function dayAt(bytes: Buffer, at: number): number {
  const [year, month, date] = [
    digits(bytes, at, at + 4),
    digits(bytes, at + 5, at + 7),
    digits(bytes, at + 8, at + 10),
  ]
  if (year < 1000 || month < 1 || date < 1) return NaN
  const wanted = (year * 100 + month) * 100 + date
  if (wanted !== day.digits) {
    const ms = Date.UTC(year, month - 1, date)
    day.digits = wanted
    day.us = new Date(ms).getUTCDate() === date && month <= 12 ? ms * 1000 : NaN
  }
  return day.us
}

function isLaidOut(bytes: Buffer, at: number): boolean {
  const [dash, upperT, colon] = [0x2d, 0x54, 0x3a]
  return (
    bytes[at + 4] === dash &&
    bytes[at + 7] === dash &&
    bytes[at + 10] === upperT &&
    bytes[at + 13] === colon &&
    bytes[at + 16] === colon
  )
}

/** Microseconds since midnight of the time of day at `at`; NaN where there is none. */
function clockAt(bytes: Buffer, at: number): number {
  const hours = digits(bytes, at, at + 2)
  const minutes = digits(bytes, at + 3, at + 5)
  const seconds = digits(bytes, at + 6, at + 8)
  const isClock = hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60 && seconds >= 0 && seconds < 60
  return isClock ? ((hours * 60 + minutes) * 60 + seconds) * 1e6 : NaN
}

/** Microseconds that the fraction from `start` to `end` says, its point included; NaN where it is none, or has more than six digits. */
function fractionOf(bytes: Buffer, start: number, end: number): number {
  if (start === end) return 0
  const count = end - start - 1
  const value = digits(bytes, start + 1, end)
  return bytes[start] === dot && count > 0 && value >= 0 ? value * (tens[6 - count] ?? NaN) : NaN
}

/** Microseconds since the epoch of `"2026-11-01T00:00:00.123Z"` in just this form; NaN for every other. */
export function utcOf({ bytes, start, end }: Slice): number {
  const upperZ = 0x5a
  const at = start + 1
  const isForm =
    end - start >= 22 && bytes[start] === quote && bytes[end - 1] === quote && bytes[end - 2] === upperZ
  if (!isForm || !isLaidOut(bytes, at)) return NaN
  return dayAt(bytes, at) + clockAt(bytes, at + 11) + fractionOf(bytes, at + 19, end - 2)
}

const rfc3339 = /^"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(?:[Zz]|([+-])(\d\d):?(\d\d))"$/u

function oddTimeOf(slice: Slice): number {
  const [, date, clock, fraction = '', sign, hours, minutes] = rfc3339.exec(textOf(slice)) ?? []
  if (date === undefined) return NaN
  const zone = sign === undefined ? 0 : (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
  const seconds = Date.parse(`${date}T${clock}Z`) / 1000 - zone * 60
  return seconds * 1e6 + Number(fraction.padEnd(6, '0'))
}

/** Microseconds since the epoch of a time as RFC 3339 writes it. */
export function timeOf(slice: Slice): number {
  const utc = utcOf(slice)
  return Number.isNaN(utc) ? oddTimeOf(slice) : utc
}

/** Microseconds since the epoch of a time in milliseconds. */
export function millisecondsOf(slice: Slice): number {
  return wholeOf(slice) * 1000
}
