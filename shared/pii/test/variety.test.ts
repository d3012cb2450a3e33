import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { detect } from '../src/index.ts'

/** Values made by the rules of the standards, none of them from a labelled set. */

const CAPITALS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const LETTERS = `${CAPITALS}${CAPITALS.toLowerCase()}`
const ALNUM = `${LETTERS}0123456789`
const HEX = '0123456789abcdef'

const from = (alphabet: string, size: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...alphabet.split('')), minLength: size, maxLength: size })

const digits = (size: number): fc.Arbitrary<string> => from('0123456789', size)

/** A form such as `4a6n8c`: capitals, digits, both (ISO 13616). */
const formed = (form: string): fc.Arbitrary<string> => {
  const alphabets: Readonly<Record<string, string>> = {
    n: '0123456789',
    a: CAPITALS,
    c: `${CAPITALS}0123456789`,
  }
  const parts = [...form.matchAll(/(\d+)([nac])/g)].map(([, size, sort = '']) =>
    from(alphabets[sort] ?? '', Number(size)),
  )
  return fc.tuple(...parts).map(all => all.join(''))
}

const isFound = (type: string, text: string, value: string): boolean => {
  const start = text.indexOf(value)
  return detect(text).some(
    one =>
      one.type === type &&
      Math.min(one.end, start + value.length) - Math.max(one.start, start) >=
        (Math.max(one.end, start + value.length) - Math.min(one.start, start)) / 2,
  )
}

const always = (type: string, value: fc.Arbitrary<string>, around: (value: string) => string): void => {
  fc.assert(
    fc.property(value, one => {
      expect(isFound(type, around(one), one)).toBe(true)
    }),
    { numRuns: 20 },
  )
}

const checkedIban = (country: string, bban: string): string => {
  let rest = 0
  for (const char of `${bban}${country}00`) rest = Number(`${rest}${Number.parseInt(char, 36)}`) % 97
  return `${country}${String(98 - rest).padStart(2, '0')}${bban}`
}

describe('IBAN (ISO 13616)', () => {
  test.each(
    (
      'AD 8n12c,AE 19n,AL 8n16c,AT 16n,AZ 4a20c,BA 16n,BE 12n,BG 4a6n8c,BH 4a14c,BR 23n1a1c,BY 4c4n16c,CH 5n12c,CR 18n,CY 8n16c,CZ 20n,DE 18n,DK 14n,DO 4c20n,' +
      'EE 16n,EG 25n,ES 20n,FI 14n,FO 14n,FR 10n11c2n,GB 4a14n,GE 2a16n,GI 4a15c,GL 14n,GR 7n16c,GT 24c,HR 17n,HU 24n,IE 4a14n,IL 19n,IQ 4a15n,IS 22n,' +
      'IT 1a10n12c,JO 4a4n18c,KW 4a22c,KZ 3n13c,LB 4n20c,LC 4a24c,LI 5n12c,LT 16n,LU 3n13c,LV 4a13c,LY 21n,MC 10n11c2n,MD 20c,ME 18n,MK 3n10c2n,MR 23n,' +
      'MT 4a5n18c,MU 4a19n3a,NL 4a10n,NO 11n,PK 4a16c,PL 24n,PS 4a21c,PT 21n,QA 4a21c,RO 4a16c,RS 18n,SA 2n18c,SC 4a20n3a,SE 20n,SI 15n,SK 20n,SM 1a10n12c,' +
      'ST 21n,SV 4a20n,TL 19n,TN 20n,TR 6n16c,UA 6n19c,VA 18n,VG 4a16n,XK 16n'
    ).split(','),
  )('%s', row => {
    const [country = '', form = ''] = row.split(' ')
    const iban = formed(form).map(bban => checkedIban(country, bban))
    always('IBAN', iban, value => `pay to ${value}, please`)
    always(
      'IBAN',
      iban.map(value => value.replace(/(.{4})(?=.)/g, '$1 ')),
      value => JSON.stringify({ account: value }),
    )
  })
})

const withLuhn = (body: string): string => {
  const sum = body
    .split('')
    .toReversed()
    .reduce((all, char, i) => {
      const doubled = Number(char) * (i % 2 === 0 ? 2 : 1)
      return all + (doubled > 9 ? doubled - 9 : doubled)
    }, 0)
  return `${body}${(10 - (sum % 10)) % 10}`
}

describe('payment cards (ISO/IEC 7812)', () => {
  test.each([
    ['Visa', '4', 16],
    ['Visa, 13', '4', 13],
    ['Visa, 19', '4', 19],
    ['Mastercard', '55', 16],
    ['Mastercard, 2-series', '2221', 16],
    ['American Express', '37', 15],
    ['Discover', '6011', 16],
    ['JCB', '3528', 16],
    ['Diners', '36', 14],
    ['UnionPay', '62', 16],
    ['Maestro', '5018', 16],
    ['Mir', '2200', 16],
  ] as const)('%s', (_, prefix, size) => {
    always(
      'CREDIT_CARD',
      digits(size - prefix.length - 1).map(rest => withLuhn(prefix + rest)),
      value => `card ${value}`,
    )
  })
})

const weightOf = (char: string): number => (char === '<' ? 0 : Number.parseInt(char, 36))
const checkOf = (text: string): string =>
  String(text.split('').reduce((sum, char, i) => sum + weightOf(char) * ([7, 3, 1][i % 3] ?? 0), 0) % 10)

const dated = (n: string): string =>
  `${n}${checkOf(n)}UTO740812${checkOf('740812')}F320415${checkOf('320415')}`

describe('machine-readable zones (ICAO 9303)', () => {
  const number = fc.tuple(from(CAPITALS, 1), digits(8)).map(parts => parts.join(''))
  const td1 = number.map(n => {
    const second = `740812${checkOf('740812')}F320415${checkOf('320415')}UTO<<<<<<<<<<<6`
    return `I<UTO${n}${checkOf(n)}<<<<<<<<<<<<<<<\n${second}\n${'ERIKSSON<<ANNA<MARIA'.padEnd(30, '<')}`
  })
  const td2 = number.map(n => `${'I<UTOERIKSSON<<ANNA<MARIA'.padEnd(36, '<')}\n${dated(n)}<<<<<<<6`)
  const td3 = number.map(n => `${'P<UTOERIKSSON<<ANNA<MARIA'.padEnd(44, '<')}\n${dated(n)}<<<<<<<<<<<<<<00`)
  test.each([
    ['TD1', td1],
    ['TD2', td2],
    ['TD3', td3],
  ] as const)('%s is found whole', (_, zone) => {
    always('PASSPORT', zone, value => `scan:\n${value}\nend`)
  })
})

describe('credentials, by the forms their issuers document', () => {
  const token = (prefix: string, alphabet: string, size: number): fc.Arbitrary<string> =>
    from(alphabet, size).map(rest => prefix + rest)
  test.each([
    ['GitHub', token('ghp_', ALNUM, 36)],
    ['GitLab', token('glpat-', ALNUM, 20)],
    ['GitLab trigger', token('glptt-', HEX, 40)],
    ['OpenAI', token('sk-proj-', ALNUM, 74)],
    ['Anthropic', token('sk-ant-api03-', ALNUM, 95)],
    ['AWS', token('AKIA', CAPITALS, 16)],
    ['Google', token('AIza', ALNUM, 35)],
    ['Azure client', token('abc8Q~', ALNUM, 34)],
    ['Slack', token('xoxb-123456789012-123456789012-', ALNUM, 24)],
    ['Stripe', token('sk_live_', ALNUM, 24)],
    ['Twilio', token('SK', HEX, 32)],
    ['npm', token('npm_', ALNUM, 36)],
    ['PyPI', token('pypi-AgEIcHlwaS5vcmc', ALNUM, 70)],
    ['Hugging Face', token('hf_', LETTERS, 34)],
    ['Databricks', token('dapi', HEX, 32)],
    ['DigitalOcean', token('dop_v1_', HEX, 64)],
    ['Telegram', token('1234567890:AA', ALNUM, 33)],
    ['LangSmith', token('lsv2_pt_', HEX, 43)],
    ['Pinecone', token('pcsk_', ALNUM, 69)],
    ['Airtable', token('patAbCdEfGhIjKlMn.', HEX, 64)],
    ['Mailgun', from(HEX, 32).map(rest => `${rest}-0123abcd-89ab0123`)],
  ] as const)('%s', (_, value) => {
    always('SECRET', value, one => `use ${one} there`)
    always('SECRET', value, one => JSON.stringify({ data: { text: one } }))
    always('SECRET', value, one => `https://example.org/x/${one}`)
  })

  test.each([
    ['mysql -u root --password S3cr3t!x', 'S3cr3t!x'],
    ['gpg --passphrase N1Ddku3E7', 'N1Ddku3E7'],
    ["New-User -Password 'Sj43ss@!'", 'Sj43ss@!'],
    [
      'post to https://hooks.slack.com/services/T0AB12CD/B0AB12CD/aBcDeFgHiJkLmNoPqRsTuVwX',
      'T0AB12CD/B0AB12CD/aBcDeFgHiJkLmNoPqRsTuVwX',
    ],
    ['{"contraseña":"u18U48u0WclWV5KD"}', 'u18U48u0WclWV5KD'],
    ['{"пароль":"u18U48u0WclWV5KD"}', 'u18U48u0WclWV5KD'],
  ])('%s', (text, value) => {
    expect(isFound('SECRET', text, value)).toBe(true)
  })
})

describe('national numbers', () => {
  test.each([
    ['CPF: 529.982.247-25', '529.982.247-25'],
    ['the number 529.982.247-25 is hers', '529.982.247-25'],
    ['empresa 11.222.333/0001-81', '11.222.333/0001-81'],
    ['versichert 756.9217.0769.85', '756.9217.0769.85'],
    ['no. 11010519491231002X', '11010519491231002X'],
    ['nata RSSMRA85T10A562S a Roma', 'RSSMRA85T10A562S'],
    ['es HEGG560427MVZRRL04', 'HEGG560427MVZRRL04'],
    ['DNI: 12345678Z', '12345678Z'],
    ['her Aadhaar is 2341 2341 2346.', '2341 2341 2346'],
    ['NINO AB 12 34 56 C', 'AB 12 34 56 C'],
    ['Steuer-ID: 86095742719', '86095742719'],
    ['{"henkilötunnus":"131052-308T"}', '131052-308T'],
    ['{"身份证号":"11010519491231002X"}', '11010519491231002X'],
    ['{"rut":"12.345.678-5"}', '12.345.678-5'],
  ])('%s', (text, value) => {
    expect(isFound('OTHER', text, value)).toBe(true)
  })

  test.each([
    'the number 529.982.247-26 is hers',
    'version 11.222.333/0001-82',
    'no. 110105194912310021',
    'key RSSMRA85T10A562T a',
    'driver 535.104.05 loaded',
    'license 2020-01-01',
  ])('a wrong check digit or a weak word makes none: %s', text => {
    expect(detect(text).filter(({ type }) => type === 'OTHER')).toEqual([])
  })
})

describe('dates of birth in other words', () => {
  test.each([
    ['Geburtsdatum: 1.4.1990', '1.4.1990'],
    ['née le 1 avril 1990', '1 avril 1990'],
    ['fecha de nacimiento: 1 de abril de 1990', '1 de abril de 1990'],
    ['DOB 19900401', '19900401'],
    ['{"fecha_de_nacimiento":"1990-04-01"}', '1990-04-01'],
  ])('%s', (text, value) => {
    expect(isFound('DATE_OF_BIRTH', text, value)).toBe(true)
  })
})

describe('addresses (USPS Publication 28)', () => {
  test.each([
    'PSC 802 Box 74, APO AE 09499',
    'CMR 450 Box 100, APO AE 09705',
    'RR 2 Box 152, Anytown, IA 50001',
    'PO Box 1234, Anytown, CA 90210',
    'PMB 200, 123 Main St, Reno, NV 89501',
    'Flat 3, 22 Baker St, London NW1 6XE',
    '221, MG Road, Bengaluru 560001',
  ])('%s', address => {
    expect(isFound('STREET_ADDRESS', `I live at ${address} and like it.`, address)).toBe(true)
  })
})

describe('what only looks like it', () => {
  test.each([
    ['bytes', '// <Buffer 01 02 03 04 05>'],
    ['bytes in a dump', 'a0 06 09 60 86 48 01 65'],
    ['a decimal', "Decimal('+35236450.6')"],
    ['a section', 'RFC 5890, section 2.3.2.3'],
    ['an address of a channel', '{"address":"user.signedup"}'],
    ['a system', 'On OS X 10.4 it fails'],
    ['a sentence', 'the form is 15 characters. Longer input is refused'],
    ['a snowflake', '{"message":"1234567890123456789"}'],
    ['a UUID', 'id 4fd1b6c8-4111-4111-8111-111111111111'],
    ['coordinates', '{"lat":52.520008,"lon":13.404954}'],
    ['an ISBN', 'ISBN 978-3-16-148410-0'],
    ['a tracking number', 'tracking 1Z999AA10123456784'],
    ['prices', '1,299.00 2,450.50 EUR'],
    ['a colour', '#1e90ff #00112233'],
    ['a time', '2024-05-06T07:08:09.123456Z'],
  ])('%s', (_, text) => {
    expect(detect(text)).toEqual([])
  })
})

describe('a value in a long text that is otherwise read without its words', () => {
  const words = 'the quick brown fox jumps over the lazy dog, which nobody reads; '.repeat(6)

  test.each([
    ['EMAIL', 'ada@example.org', 'ada@example.org'],
    ['EMAIL', 'ada%40example.org', 'ada%40example.org'],
    ['EMAIL', 'ada&commat;example.org', 'ada&commat;example.org'],
    ['PHONE', 'call 415-555-2671 now', '415-555-2671'],
    ['SECRET', 'password: correct!horse', 'correct!horse'],
    ['SECRET', 'password: correct^horse', 'correct^horse'],
    ['NAME', 'Mr Lovelace', 'Lovelace'],
    ['NAME', 'my name is Zoe', 'Zoe'],
    ['STREET_ADDRESS', '12 old mill road, springfield, il 62704', '12 old mill road, springfield, il 62704'],
    ['IP_ADDRESS', '2001:db8::7334', '2001:db8::7334'],
  ])('%s: %s', (type, said, value) => {
    const result = { content: [{ type: 'text', text: `${words}${said} ${words}` }], note: `${words}é` }
    expect(isFound(type, JSON.stringify({ result }), value)).toBe(true)
  })

  test('one long value hides nothing in the next', () => {
    const rows = Array.from({ length: 6 }, (_, row) => (row === 4 ? `${words}ada@example.org` : words))
    expect(detect(JSON.stringify(rows))).toHaveLength(1)
  })
})

describe('a number behind a list of numbers', () => {
  const list = Array.from({ length: 40 }, (_, i) => 1 + (i % 90)).join(' ')

  test.each([
    ['PHONE', `${list} +49 151 69682446`, '+49 151 69682446'],
    ['PHONE', '12 34 56 78 90 12 34 56 78 91 22 office', '12 34 56 78 91 22'],
    ['US_SSN', `${list} 123-45-6780`, '123-45-6780'],
    ['CREDIT_CARD', `${list} 4111 1111 1111 1111`, '4111 1111 1111 1111'],
    ['IP_ADDRESS', `${list} 192.168.7.31`, '192.168.7.31'],
  ])('%s: %s', (type, text, value) => {
    expect(isFound(type, text, value)).toBe(true)
  })
})

describe('a text that is one JSON string', () => {
  test.each([
    ['"a \\"b\\" ada@example.org"', 1],
    ['"\\u0061da@example.org"', 1],
    ['"ada@example.org" and "bob@example.org"', 2],
    ['"ada@example.org\\x"', 1],
  ])('%s', (text, count) => {
    expect(detect(text)).toHaveLength(count)
  })
})
