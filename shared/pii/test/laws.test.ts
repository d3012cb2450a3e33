import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createMasker, createMaskStream, detect, mask, maskSlices } from '../src/index.ts'
import { document, prose } from './texts.ts'

const parses = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const readBack = (rows: readonly (readonly [string, unknown])[]): unknown =>
  JSON.parse(mask(JSON.stringify(Object.fromEntries(rows))))

const chunked = (text: string, sizes: readonly number[]): string => {
  const stream = createMaskStream(createMasker())
  let out = ''
  let from = 0
  for (const size of sizes) {
    out += stream.push(text.slice(from, from + size))
    from += size
  }
  return out + stream.push(text.slice(from)) + stream.end()
}

describe('laws', () => {
  test('valid JSON stays valid and keeps its shape', () => {
    fc.assert(
      fc.property(document, text => parses(mask(text))),
      { numRuns: 500 },
    )
  })

  test('any JSON text parses after masking', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), text => parses(mask(text))),
      { numRuns: 500 },
    )
  })

  test('masking twice changes nothing', () => {
    fc.assert(
      fc.property(fc.oneof(document, prose), text => {
        const once = mask(text)
        expect(mask(once)).toBe(once)
      }),
      { numRuns: 1000 },
    )
  })

  test.each([
    ['né 123-45-6780DE89 3704 0044 0532 0130 00', 'digits of another number are no date of birth'],
    ['ada@example.org-2001:db8::8a2e:370:7334', 'a number glued to a host ends it'],
    ['call 123-45-6780-2001:db8::8a2e:370:7334', 'a number joined to a find is read again'],
    [
      'mada@example.orgghp_0123456789abcdefghijABCDEFGHIJ0123456ada@example.org',
      'a find begins inside a word',
    ],
    ['415-555-2671/ghp_0123456789abcdefghijABCDEFGHIJ012345', 'a credential is joined to a find'],
    ['AKIAIOSFODNN7EXAMPLE=password=hunter2x', 'a credential is used as a name'],
    ['AKIAIOSFODNN7EXAMPLEGz.id +49 151 69682446', 'words in a find explain nothing'],
    ['born 1990-01-02 and born 1991-03-04', 'each word has its date'],
    ['born 1990-01-02{xborn 1991-03-04', 'a date that is masked is the date of its word'],
    [
      'né 123-45-6780, born 1990-01-02eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcdefghijk',
      'each word is searched from where the last search ended',
    ],
    ['ada@example.org--192.168.7.31', 'two signs join as one does'],
    ['[415-555-2671 4111 1111 1111 11110', 'a bracket before a number opens no document once that is masked'],
    ['[ada@example.org, 123-45-6780', 'nor does one before a placeholder'],
    ['passport 415 555 2671 123456780', 'a word finds what stands behind another number'],
    ['born abc1 4155552671 call 1990-01-02 call', 'a date is found whole or not at all'],
    [
      'password=hunter2x{&LU-uada@example.orge(&:e',
      'what looks like a call is a password once the address in it is masked',
    ],
  ])('masking %s twice changes nothing: %s', text => {
    const once = mask(text)
    expect(mask(once)).toBe(once)
  })

  test('two dates of birth are both found', () => {
    expect(mask('born 1990-01-02 and born 1991-03-04')).toBe('born [DATE_OF_BIRTH] and born [DATE_OF_BIRTH]')
  })

  test('what is hidden by a find is found in its own place', () => {
    const text = '{"note":"x 415-555-2671/ghp_0123456789abcdefghijABCDEFGHIJ012345"}'
    expect(detect(text).map(({ type, start, end }) => [type, text.slice(start, end)])).toEqual([
      ['PHONE', '415-555-2671'],
      ['SECRET', 'ghp_0123456789abcdefghijABCDEFGHIJ012345'],
    ])
  })

  test('everything outside the finds stays as it was', () => {
    fc.assert(
      fc.property(fc.oneof(document, prose), text => {
        const found = detect(text)
        let from = 0
        let rest = mask(text)
        for (const one of found) {
          const before = text.slice(from, one.start)
          expect(rest.startsWith(before)).toBe(true)
          rest = rest
            .slice(before.length)
            .replace(/^(?:\\*")?\[[A-Z_]+\](?:\\*")?/, match =>
              text.charAt(one.start - 1) === '"' || !match.startsWith('"')
                ? match.replace(/^\[[A-Z_]+\]/, '').replace(/^\\*"\[[A-Z_]+\]\\*"/, '')
                : '',
            )
          from = one.end
        }
        expect(rest).toBe(text.slice(from))
      }),
      { numRuns: 300 },
    )
  })

  test('no value that was found survives in the output', () => {
    fc.assert(
      fc.property(document, text => {
        const masked = mask(text)
        for (const one of detect(text)) {
          const found = text.slice(one.start, one.end)
          if (found.length > 8)
            expect(detect(masked).map(hit => masked.slice(hit.start, hit.end))).not.toContain(found)
        }
      }),
      { numRuns: 200 },
    )
  })

  test('the order of keys changes nothing', () => {
    const fields: readonly (readonly [string, unknown])[] = [
      ['name', 'ssn'],
      ['value', '454792024'],
      ['email', 'ada@example.org'],
      ['type', 'passport'],
      ['number', 'C02J95Y008'],
      ['note', 'nothing'],
    ]
    fc.assert(
      fc.property(fc.shuffledSubarray([...fields], { minLength: 2 }), chosen => {
        expect(readBack(chosen)).toEqual(readBack(chosen.toReversed()))
      }),
    )
  })

  test('findings hold no content, and keys that may be personal appear as a star', () => {
    const given = JSON.stringify({
      'ada@example.org': { phone: '415-555-2671' },
      ok: { '415-555-2672': 'x@example.org' },
    })
    const { findings, text } = createMasker().mask(given)
    expect(findings.map(one => one.path)).toEqual(['*', '*.phone', 'ok.*', 'ok.*'])
    expect(JSON.stringify(findings) + text).not.toMatch(/ada|415|x@/)
  })

  test('any chunking of a stream gives the same output', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(document, prose), { maxLength: 4 }),
        fc.array(fc.nat(30), { maxLength: 12 }),
        (texts, sizes) => {
          const text = texts.join('\n\n')
          expect(chunked(text, sizes)).toBe(chunked(text, [text.length]))
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('a stream of one long paragraph', () => {
  const values = [
    'card 4111 1111 1111 1111',
    'passport number AB1234567',
    'ada@example.org',
    '+1 415 555 2671',
    'SSN 536-22-8726',
    '12 Old Mill Road, Springfield, IL 62704',
  ]
  const word = fc.constantFrom('lorem', 'ipsum', 'a', 'dolor-sit', ...values)

  test('never gives out the start of a value that the next piece ends', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 20, maxLength: 60 }), fc.nat(400), (words, shift) => {
        const text = 'x '.repeat(8000 + shift) + `${words.join(' ')} `.repeat(8)
        expect(chunked(text, [1000])).toBe(createMasker().mask(text).text)
      }),
      { numRuns: 40 },
    )
  })

  test('keeps a key file in one piece', () => {
    const file = `-----BEGIN PRIVATE KEY-----\n${'MIIabc123+/\n'.repeat(150)}-----END PRIVATE KEY-----`
    const text = `${'x '.repeat(8900)}${file} end`
    expect(chunked(text, [1000])).toBe(createMasker().mask(text).text)
  })
})

describe('slices', () => {
  test('together are what the stream gives, and NDJSON stays NDJSON', () => {
    const lines = Array.from({ length: 3000 }, (_, i) =>
      JSON.stringify({ i, email: `u${i}@example.org`, note: 'x\n\ny' }),
    )
    const pieces = [...maskSlices(createMasker(), lines.join('\n'))]
    expect(pieces.length).toBeGreaterThan(2)
    const read = pieces
      .join('')
      .split('\n')
      .map(line => JSON.parse(line) as unknown)
    expect(read).toHaveLength(3000)
    expect(read[7]).toEqual({ i: 7, email: '[EMAIL]', note: 'x\n\ny' })
  })
})

describe('hostile input', () => {
  test.each([
    ['deep nesting', `${'['.repeat(200_000)}"ada@example.org"${']'.repeat(200_000)}`],
    ['deep nesting that never closes', '{"a":'.repeat(100_000)],
    ['lone surrogates', '"\ud800 ada@example.org \udc00"'],
    ['broken escapes', String.raw`{"a":"\q \u12 ada@example.org"}`],
    ['a number without end', `[${'9'.repeat(100_000)}]`],
    ['invisible characters', `{"a":"a${'\u200b'.repeat(1000)}da@example.org"}`],
  ])('%s is masked without an exception', (_, text) => {
    const out = mask(text)
    expect(out).not.toContain('ada@example.org')
    if (parses(text)) expect(parses(out)).toBe(true)
  })

  test('a JSON number deep inside still turns into a string', () => {
    const text = `${'['.repeat(5000)}{"phone":4155552671}${']'.repeat(5000)}`
    expect(mask(text)).toContain('{"phone":"[PHONE]"}')
  })
})

function coded(plain: string, code: (char: string) => string): string {
  return Array.from(plain, code).join('')
}

function hexOf(char: string): string {
  return char.charCodeAt(0).toString(16).padStart(2, '0')
}

const carriers: Readonly<Record<string, (plain: string) => string>> = {
  base64: plain => btoa(`the value is ${plain} and more`),
  'a data URI': plain => `data:text/plain;base64,${btoa(`the value is ${plain} and more`)}`,
  'percent signs': plain => coded(plain, char => `%${hexOf(char)}`),
  entities: plain => coded(plain, char => `&#x${hexOf(char)};`),
}

describe('a value in a carrier', () => {
  test.each(Object.entries(carriers))(
    'is masked in %s, in JSON at any depth and in any chunks',
    (_, carry) => {
      for (const plain of ['ada@example.org', '+49 151 69682446', '4111 1111 1111 1111', '192.168.7.31']) {
        const carried = carry(plain)
        const note = JSON.stringify({ note: `see ${carried} there` })
        for (const text of [`see ${carried} there`, note, JSON.stringify({ text: note })]) {
          const once = mask(text)
          expect(once).not.toContain(carried)
          expect(mask(once)).toBe(once)
          expect(parses(once)).toBe(parses(text))
          expect(chunked(text, [7, 9, 11])).toBe(once)
        }
      }
    },
  )
})
