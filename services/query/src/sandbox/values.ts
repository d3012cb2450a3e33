import type { Value } from './protocol.ts'

type Convert = (value: Value) => Value

const whole = /^(?:U?BIGINT|U?HUGEINT|DECIMAL\(\d+,0\))$/u
const timestamp = 'TIMESTAMP WITH TIME ZONE'

function safeNumber(value: Value): Value {
  if (typeof value !== 'string') return value
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/** `2026-11-21 08:55:32.416+00` → `2026-11-21T08:55:32.416Z`; the session's time zone is UTC. */
function isoTime(value: Value): Value {
  if (typeof value !== 'string' || !value.endsWith('+00')) return value
  return `${value.replace(' ', 'T').replace(/\+00$/u, '')}Z`
}

function decimal(value: Value): Value {
  return typeof value === 'string' && value.length <= 15 ? Number(value) : value
}

/** How a value of the DuckDB type `type`, in DuckDB's own JSON form, is shown: whole numbers as numbers where exact, times in ISO 8601. */
export function converter(type: string): Convert | undefined {
  if (whole.test(type)) return safeNumber
  if (type === timestamp) return isoTime
  return type.startsWith('DECIMAL') ? decimal : undefined
}
