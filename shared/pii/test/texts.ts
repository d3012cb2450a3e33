import fc from 'fast-check'

const values = [
  'ada@example.org',
  '415-555-2671',
  '+49 151 69682446',
  '123-45-6780',
  '4111 1111 1111 1111',
  '192.168.7.31',
  'DE89 3704 0044 0532 0130 00',
  '12 Old Mill Road, Springfield, IL 62704',
  'ghp_0123456789abcdefghijABCDEFGHIJ012345',
  '2001:db8::8a2e:370:7334',
]
const personal = fc.constantFrom(...values)
const around = fc.constantFrom(
  'call ',
  ' and ',
  '\n',
  ', ',
  'id ',
  ' "',
  'é ',
  ' phone: ',
  '[EMAIL] ',
  ' \\ ',
  '',
  ' ssn ',
  '\t',
  '…',
)
/** Values glued together with words, signs and whatever else. */
export const prose = fc
  .array(fc.oneof(personal, around, fc.string({ maxLength: 6 })), { maxLength: 12 })
  .map(parts => parts.join(''))
const key = fc.constantFrom(
  'email',
  'phone',
  'note',
  'id',
  'ssn',
  'name',
  'address',
  'value',
  'type',
  'ip',
  'x y',
)
const leaf = fc.oneof(prose, personal, fc.integer(), fc.constantFrom(4155552671, 123456780, true, null))
const value = fc.letrec(tie => ({
  any: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(key, tie('any'), { maxKeys: 4 }),
  ),
})).any
/** JSON made of such texts, also inside JSON. */
export const document = fc.oneof(
  value.map(one => JSON.stringify(one)),
  value.map(one => JSON.stringify(one, undefined, 2)),
  value.map(one => JSON.stringify({ result: { content: [{ type: 'text', text: JSON.stringify(one) }] } })),
)

const glue = [
  '',
  '',
  '-',
  '.',
  '=',
  ':',
  '/',
  '_',
  '+',
  'x',
  '7',
  '[',
  '%',
  ' 1',
  'call ',
  ' and ',
  '\n',
  ', ',
  ' phone: ',
  ' ssn ',
]
const keyed = [
  'passport AB1234567',
  'Mr Lovelace',
  'password=hunter2x',
  'born 1990-01-02',
  'AKIAIOSFODNN7EXAMPLE',
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcdefghijk',
]
/** Nothing but values and what joins them: the hardest texts for rules that look at what stands beside a value. */
export const glued = fc
  .array(
    fc.oneof(fc.constantFrom(...values, ...keyed), fc.constantFrom(...glue), fc.string({ maxLength: 6 })),
    {
      maxLength: 12,
    },
  )
  .map(parts => parts.join(''))
