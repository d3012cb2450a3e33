import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A find in the offsets of the text, under the names that the labelled sets use. */
export interface Found {
  readonly type: string
  readonly start: number
  readonly end: number
}

/** A rival, asked one text at a time. */
export interface Rival {
  readonly detect: (text: string) => readonly Found[] | Promise<readonly Found[]>
  /** CPU time that it has used outside this process. */
  readonly cpuMs?: () => number
}

const names: Readonly<Record<string, string>> = {
  email: 'EMAIL',
  email_address: 'EMAIL',
  phone: 'PHONE',
  phone_number: 'PHONE',
  ssn: 'US_SSN',
  us_ssn: 'US_SSN',
  us_social_security_number: 'US_SSN',
  credit_card: 'CREDIT_CARD',
  credit_card_number: 'CREDIT_CARD',
  ip: 'IP_ADDRESS',
  ipv4: 'IP_ADDRESS',
  ipv6: 'IP_ADDRESS',
  ip_address: 'IP_ADDRESS',
  address: 'STREET_ADDRESS',
  address_street: 'STREET_ADDRESS',
  address_po_box: 'STREET_ADDRESS',
  street_address: 'STREET_ADDRESS',
  us_passport: 'PASSPORT',
  iban: 'IBAN',
  iban_code: 'IBAN',
  name: 'NAME',
  person: 'NAME',
  person_name: 'NAME',
  date_of_birth: 'DATE_OF_BIRTH',
  url: 'URL',
}

function nameOf(type: string): string {
  const name = type.toLowerCase()
  const known = names[name]
  if (known !== undefined) return known
  if (name.startsWith('phone')) return 'PHONE'
  if (name.startsWith('passport')) return 'PASSPORT'
  return /key|token|secret|password|credential/u.test(name) ? 'SECRET' : 'OTHER'
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return (typeof value === 'object' || typeof value === 'function') && value !== null
}

type Callable = (...args: readonly unknown[]) => unknown

function isCallable(value: unknown): value is Callable {
  return typeof value === 'function'
}

/** A function of a package that was installed beside the repository. */
function take(loaded: unknown, name: string): Callable {
  const found = isObject(loaded) ? loaded[name] : undefined
  if (!isCallable(found)) throw new Error(`There is no ${name} in this rival: its interface has changed.`)
  return found
}

function construct(loaded: unknown, name: string, ...args: readonly unknown[]): unknown {
  return Reflect.construct(take(loaded, name), args)
}

function method(object: unknown, name: string): Callable {
  const found = take(object, name)
  return (...args) => Reflect.apply(found, object, args)
}

function asNumber(value: unknown): number {
  return typeof value === 'number' ? value : Number.NaN
}

function items(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

type Load = (name: string) => unknown

/** Its patterns, asked where they match: its door gives the masked text only. */
function redactPii(load: Load): Rival {
  const loaded = load('redact-pii/lib/built-ins/simple-regexp-patterns')
  const patterns = Object.entries(isObject(loaded) ? loaded : {}).flatMap(([name, pattern]) =>
    pattern instanceof RegExp ? [{ type: nameOf(name.replaceAll(/([A-Z])/gu, '_$1')), pattern }] : [],
  )
  return {
    detect: text =>
      patterns.flatMap(({ type, pattern }) =>
        Array.from(text.matchAll(new RegExp(pattern, 'gi')), ({ 0: value, index }) => ({
          type,
          start: index,
          end: index + value.length,
        })),
      ),
  }
}

function openRedaction(load: Load): Rival {
  const shield = construct(load('openredaction'), 'OpenRedaction')
  const detect = method(shield, 'detect')
  return {
    detect: async text => {
      const result: unknown = await detect(text)
      return items(isObject(result) ? result['detections'] : undefined).map(({ type, position }) => {
        const [start, end]: unknown[] = Array.isArray(position) ? position : []
        return { type: nameOf(String(type)), start: asNumber(start), end: asNumber(end) }
      })
    },
  }
}

function langChain(load: Load): Rival {
  const loaded = load('langchain')
  const detectors = [
    ['detectEmail', 'EMAIL'],
    ['detectCreditCard', 'CREDIT_CARD'],
    ['detectIP', 'IP_ADDRESS'],
    ['detectUrl', 'URL'],
    ['detectMacAddress', 'OTHER'],
  ].map(([name = '', type = '']) => ({ detect: take(loaded, name), type }))
  return {
    detect: text =>
      detectors.flatMap(({ detect, type }) =>
        items(detect(text)).map(({ start, end }) => ({ type, start: asNumber(start), end: asNumber(end) })),
      ),
  }
}

function libphonenumber(load: Load): Rival {
  const find = take(load('libphonenumber-js'), 'findPhoneNumbersInText')
  return {
    detect: text =>
      items(find(text, 'US')).map(({ startsAt, endsAt }) => ({
        type: 'PHONE',
        start: asNumber(startsAt),
        end: asNumber(endsAt),
      })),
  }
}

const presidioProgram = `
import json, sys, time
from presidio_analyzer import RecognizerRegistry
registry = RecognizerRegistry()
registry.load_predefined_recognizers(languages=["en"])
recognizers = [r for r in registry.recognizers if type(r).__name__ not in ("SpacyRecognizer",)]
entities = sorted({e for r in recognizers for e in r.supported_entities})
for line in sys.stdin:
    text = json.loads(line)
    units = [0]
    for char in text:
        units.append(units[-1] + (2 if ord(char) > 0xffff else 1))
    found = []
    for recognizer in recognizers:
        for one in recognizer.analyze(text, recognizer.supported_entities, None) or []:
            if one.score >= 0.4:
                found.append([one.entity_type, units[one.start], units[one.end]])
    print(json.dumps([found, time.process_time()]), flush=True)
`

/** Nobody tells a rival that it was the last text: its process ends when none has come for this long. */
const idleMs = 120_000

/** The recognizers of Presidio that need no model, above its usual threshold, in a process of their own. */
function presidio(dir: string): Rival {
  const child = spawn(join(dir, 'venv/bin/python'), ['-c', presidioProgram], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const lines = createInterface({ input: child.stdout })
  const rest = setTimeout(() => child.kill(), idleMs)
  let cpuMs = 0
  return {
    cpuMs: () => cpuMs,
    detect: async text => {
      rest.refresh()
      const answer = once(lines, 'line')
      child.stdin.write(`${JSON.stringify(text)}\n`)
      const [line]: unknown[] = await answer
      const reply: unknown = JSON.parse(String(line))
      const [found, seconds]: unknown[] = Array.isArray(reply) ? reply : []
      cpuMs = 1000 * asNumber(seconds)
      if (!Array.isArray(found)) return []
      return found.map((one: unknown) => {
        const [type, start, end]: unknown[] = Array.isArray(one) ? one : []
        return { type: nameOf(String(type)), start: asNumber(start), end: asNumber(end) }
      })
    },
  }
}

/** A rival by its name, from the folder it was installed in. */
export function openRival(name: string, dir: string): Rival {
  const load: Load = createRequire(join(dir, 'package.json'))
  if (name === 'Presidio, regex layer') return presidio(dir)
  if (name === 'redact-pii') return redactPii(load)
  if (name === 'OpenRedaction') return openRedaction(load)
  return name === 'LangChain middleware' ? langChain(load) : libphonenumber(load)
}
