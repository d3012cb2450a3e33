import { describe, expect, test } from 'vitest'
import { detect, mask, type PiiType } from '../src/index.ts'

/** Types and the texts they were found in. */
const read = (text: string): readonly string[] =>
  detect(text).map(one => `${one.type} ${text.slice(one.start, one.end)}`)

interface Kind {
  readonly type: PiiType
  readonly matches: readonly (readonly [text: string, found: string])[]
  readonly misses: readonly string[]
}

const kinds: readonly Kind[] = [
  {
    type: 'EMAIL',
    matches: [
      ['write to ada.lovelace+x@mail.example.org today', 'ada.lovelace+x@mail.example.org'],
      ['mailto:ada@example.co.uk', 'ada@example.co.uk'],
      ['"ada b"@example.org', '"ada b"@example.org'],
      ['root@[192.0.2.1] answered', 'root@[192.0.2.1]'],
      ['josé@exämple.com', 'josé@exämple.com'],
    ],
    misses: [
      'ada@',
      '@example.org',
      'ada@example.c',
      'lodash@4.17.21',
      'icon@2x.png',
      'git@github.com:org/repo',
    ],
  },
  {
    type: 'PHONE',
    matches: [
      ['call (415) 555-2671 x12 now', '(415) 555-2671 x12'],
      ['T: +49 151 69682446', '+49 151 69682446'],
      ['at 030/1005232 please', '030/1005232'],
      ['{"mobile":"737219628"}', '737219628'],
      ['{"phone":4155552671}', '4155552671'],
      ['01.42.15.77.40', '01.42.15.77.40'],
    ],
    misses: [
      'offset=5963754916',
      '{"ts":1686000000,"order_id":"4155552671"}',
      '+1 100 555 2671',
      'order 415-555-2671-88',
      '2023-06-08 23:26:38',
      'order #4155552671',
    ],
  },
  {
    type: 'US_SSN',
    matches: [
      ['SSN 512-45-6789', '512-45-6789'],
      ['{"ssn":"454792024"}', '454792024'],
      ['{"ssn":454792024}', '454792024'],
      ['my social is 693 88 8248', '693 88 8248'],
    ],
    misses: ['000-45-6789', '666-45-6789', '512-00-6789', '512-45-0000', '123-45-6789', 'part 454792024'],
  },
  {
    type: 'CREDIT_CARD',
    matches: [
      ['card 4111 1111 1111 1111', '4111 1111 1111 1111'],
      ['378282246310005', '378282246310005'],
      ['2223003122003222', '2223003122003222'],
      ['{"pan":"6011000990139424"}', '6011000990139424'],
    ],
    misses: [
      '4111 1111 1111 1112',
      '1234567890123452',
      '{"id":"4111111111111111"}',
      '41111111111111111111111',
      'a4111111111111111',
    ],
  },
  {
    type: 'IP_ADDRESS',
    matches: [
      ['from 192.168.120.174:8080', '192.168.120.174'],
      ['whitelist 10.47.122.245/32', '10.47.122.245'],
      ['2606:4700:c5f5::30e3:a871 - -', '2606:4700:c5f5::30e3:a871'],
      ['peer ::ffff:10.0.0.1 left', '::ffff:10.0.0.1'],
    ],
    misses: [
      '14.23.121.6634',
      'Chrome/131.0.0.0',
      'version 1.2.3.4',
      '256.1.1.1',
      'std::vector',
      '12:34:56',
      '01:02:03:04:05:06:07:08',
    ],
  },
  {
    type: 'STREET_ADDRESS',
    matches: [
      [
        'at 12188 Old Number 6 Highway, Eutawville, SC 29048 today',
        '12188 Old Number 6 Highway, Eutawville, SC 29048',
      ],
      ['Ship to: 303 E Wacker Dr., Chicago, IL 60601. Thanks!', '303 E Wacker Dr., Chicago, IL 60601'],
      ['I moved to bulw. Wójcik 91a, 69-472 Otwock.', 'bulw. Wójcik 91a, 69-472 Otwock'],
      ['Muldestr. 883, 21470 West Collien', 'Muldestr. 883, 21470 West Collien'],
      ['P.O. Box 660367 Dallas TX 75266', 'P.O. Box 660367 Dallas TX 75266'],
      ['{"address":"30 Breakenridge Farm"}', '30 Breakenridge Farm'],
    ],
    misses: [
      'polled 463 records in 278ms',
      'build=37.13.812.7273 trace=1',
      '3 people walked down the street',
      'page 12 of 20',
      'see section 4 drive',
    ],
  },
  {
    type: 'PASSPORT',
    matches: [
      ['My passport no. 20RA67704 was misread', '20RA67704'],
      ['{"passport_number":"C01X00T47"}', 'C01X00T47'],
      ['{"number":"C02J95Y008","type":"passport"}', 'C02J95Y008'],
      ['L898902C36UTO7408122F1204159ZE184226B<<<<<10', 'L898902C36UTO7408122F1204159ZE184226B<<<<<10'],
    ],
    misses: [
      '{"sku":"C01X00T47"}',
      'passport photo tomorrow',
      '{"build":"X1234567"}',
      'passport.py\n100644 blob',
    ],
  },
  {
    type: 'IBAN',
    matches: [
      ['DE89 3704 0044 0532 0130 00', 'DE89 3704 0044 0532 0130 00'],
      ['pay GB29NWBK60161331926819 now', 'GB29NWBK60161331926819'],
      ['NL91 ABNA 0417 1643 00', 'NL91 ABNA 0417 1643 00'],
    ],
    misses: [
      'DE88 3704 0044 0532 0130 00',
      'FR14 2004 1010 0505 0001 3',
      'XX89370400440532013000',
      'DE8937040044053201300',
    ],
  },
  {
    type: 'DATE_OF_BIRTH',
    matches: [
      ['{"dateOfBirth":"19 January 1999"}', '19 January 1999'],
      ['born on 2/19/1988 in', '2/19/1988'],
      ['{"dob":"1959-04-17"}', '1959-04-17'],
    ],
    misses: ['{"issued":"2026-07-05"}', 'on 2/19/1988', 'born in a small town'],
  },
  {
    type: 'NAME',
    matches: [
      ['{"first_name":"Per"}', 'Per'],
      ['Dear Claudia,\n', 'Claudia'],
      ['Mr. Rednjak flew', 'Rednjak'],
      ['{"email":"x@example.org","name":"Joanna Sikorski"}', 'Joanna Sikorski'],
    ],
    misses: ['{"name":"lodash","version":"4.17.21"}', 'Dear customer,', 'mr robot'],
  },
  {
    type: 'SECRET',
    matches: [
      ['ghp_0123456789abcdefghijABCDEFGHIJ012345', 'ghp_0123456789abcdefghijABCDEFGHIJ012345'],
      ['password = "IhqSb1Gg"', 'IhqSb1Gg'],
      ['postgres://app:oJvXMvWN9w@db.internal:5432/prod', 'oJvXMvWN9w'],
      ['-----BEGIN PRIVATE KEY-----', '-----BEGIN PRIVATE KEY-----'],
      ['{"api_key":"A1b2C3d4E5f6"}', 'A1b2C3d4E5f6'],
    ],
    misses: [
      'password: required',
      'sha512-rCkw57K82y1XA9KwBmuMrupFQr9VOS4Rn77vW2UD2j0HjlPnpSON9COkUIfocd95B4wv5EpfWMr6lGD4lN3A==',
      '{"sha":"726a0f734ec10491c580ea24e120cd8d26db55ba"}',
      'token = nextToken()',
    ],
  },
  {
    type: 'OTHER',
    matches: [
      ['{"national_id":"86051575214"}', '86051575214'],
      ['{"tax_id":"10-1234567"}', '10-1234567'],
      ['{"imei":"35-209900-176148-1"}', '35-209900-176148-1'],
    ],
    misses: ['{"id":"86051575214"}', '{"tax_id":"none"}', 'license: MIT'],
  },
]

describe.each(kinds)('$type', ({ type, matches, misses }) => {
  test.each(matches)('is found in %j', (text, found) => {
    expect(read(text)).toContain(`${type} ${found}`)
  })
  test.each(misses)('is not found in %j', text => {
    expect(read(text).filter(one => one.startsWith(type))).toEqual([])
  })
})

describe('disguises', () => {
  test.each([
    ['full-width digits', '４１５-５５５-２６７１', 'PHONE'],
    ['a full-width at sign', 'ada＠example.org', 'EMAIL'],
    ['non-breaking hyphens', '415‑555‑2671', 'PHONE'],
    ['characters that cannot be seen', 'ada\u200b@exam\u00adple.org', 'EMAIL'],
    ['mathematical digits', '𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏', 'CREDIT_CARD'],
    ['JSON escapes', String.raw`{"a":"ada\u0040example.org"}`, 'EMAIL'],
    ['percent encoding', 'to=ada%40example.org', 'EMAIL'],
    ['entities', 'ada&#64;example.org', 'EMAIL'],
    ['base64', Buffer.from('write to ada@example.org').toString('base64'), 'EMAIL'],
    [
      'JSON in JSON in JSON',
      JSON.stringify({ a: JSON.stringify({ b: JSON.stringify({ c: 'ada@example.org' }) }) }),
      'EMAIL',
    ],
    ['an escaped line break before it', String.raw`{"a":"x\nada@example.org"}`, 'EMAIL'],
  ])('do not hide a value: %s', (_, text, type) => {
    expect(detect(text).map(one => one.type)).toEqual([type])
  })
})

const percentEncoded = (text: string): string => encodeURIComponent(JSON.stringify({ note: text }))

test('a value in base64 in a document in percent signs is masked in its place', () => {
  const prose =
    'and enough words behind it that nobody takes what encodes them for a credential, which is shorter'
  const hidden = btoa(JSON.stringify({ m: `hi\n\n\n\nmail ada@example.org ${prose}\n` }, undefined, 1))
  const masked = percentEncoded('a\nb\nc X end\n').replace('X', '[EMAIL]')
  expect(mask(percentEncoded(`a\nb\nc ${hidden} end\n`))).toBe(masked)
})

describe('tables', () => {
  test('give each cell the hints of its column', () => {
    const csv = 'id,full_name,phone,amount\n3229,Stevie Smitham,6175168815,1627262834\n'
    expect(read(csv)).toEqual(['NAME Stevie Smitham', 'PHONE 6175168815'])
  })

  test('may be written in Markdown', () => {
    const table = '| name | email | phone |\n|---|---|---|\n| Ada King | ada@x.org | 4155552671 |\n'
    expect(read(table)).toEqual(['NAME Ada King', 'EMAIL ada@x.org', 'PHONE 4155552671'])
  })
})
