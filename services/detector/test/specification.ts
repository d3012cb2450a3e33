/** One thing that the specification of Sigma 2.1 has, tried on a rule of it: what fires, what stays quiet. */
export interface Feature {
  readonly area: string
  readonly feature: string
  /** `no` = refused at load with a reason. */
  readonly isSupported: boolean
  /** The `detection` block; a whole document where it starts with `title:`. */
  readonly rule: string
  readonly fires?: Readonly<Record<string, unknown>>
  readonly quiet?: Readonly<Record<string, unknown>>
}

type Pair = readonly [fires: unknown, quiet: unknown]

function field(feature: string, line: string, [fires, quiet]: Pair): Omit<Feature, 'area'> {
  const rule = `s: { arguments.${line} }\ncondition: s`
  return { feature, isSupported: true, rule, fires: { arguments: fires }, quiet: { arguments: quiet } }
}

function inArea(area: string, list: readonly Omit<Feature, 'area'>[]): readonly Feature[] {
  return list.map(each => Object.assign({ area }, each))
}

const values = inArea('values', [
  field('text, without regard to case', 'f: Whoami', [{ f: 'WHOAMI' }, { f: 'whoami2' }]),
  field('list of values: one of them', 'f: [one, two]', [{ f: 'two' }, { f: 'three' }]),
  field('wildcards `*` and `?`', "f: '*\\\\tool-?.bin'", [
    { f: 'c:\\x\\tool-7.bin' },
    { f: 'c:\\x\\tool-77.bin' },
  ]),
  field('escaped wildcards', "f: 'a\\*c'", [{ f: 'a*c' }, { f: 'abc' }]),
  field('numbers and booleans', 'f: 4625', [{ f: 4625 }, { f: 46 }]),
  field('null: the field is missing', 'f: null', [{ g: 1 }, { f: 'x' }]),
  field('empty text', "f: ''", [{ f: '' }, { f: 'x' }]),
  field('several values in one field', 'f: b', [{ f: ['a', 'b'] }, { f: ['a', 'c'] }]),
])

const modifiers = inArea('modifiers', [
  field('`contains`', 'f|contains: mimi', [{ f: 'a mimi b' }, { f: 'mi mi' }]),
  field('`startswith`', 'f|startswith: adm_', [{ f: 'adm_kim' }, { f: 'kim_adm_' }]),
  field('`endswith`', "f|endswith: '.ps1'", [{ f: 'a.ps1' }, { f: 'a.ps1x' }]),
  field('`all`', 'f|contains|all: [--user, --pass]', [{ f: 'x --pass y --user z' }, { f: '--user z' }]),
  field('`cased`', 'f|cased: Whoami', [{ f: 'Whoami' }, { f: 'whoami' }]),
  field('`neq`', 'f|neq: a', [{ f: 'b' }, { f: 'a' }]),
  field('`exists`', 'f|exists: true', [{ f: 'x' }, { g: 'x' }]),
  field('`re`', "f|re: '^[a-z]{3}\\d$'", [{ f: 'abc1' }, { f: 'ABC1' }]),
  field('`re` with `i`', "f|re|i: '^[a-z]{3}\\d$'", [{ f: 'ABC1' }, { f: 'AB1' }]),
  field('`re` with `m`', "f|re|m: '^two$'", [{ f: 'one\ntwo' }, { f: 'one two' }]),
  field('`re` with `s`', "f|re|s: 'a.c'", [{ f: 'a\nc' }, { f: 'ac' }]),
  field('`lt`, `lte`, `gt`, `gte`', 'f|gte: 10', [{ f: 10 }, { f: 9 }]),
  field('`cidr`, version 4', 'f|cidr: 192.0.2.0/24', [{ f: '192.0.2.77' }, { f: '192.0.3.77' }]),
  field('`cidr`, version 6', "f|cidr: '2001:db8::/32'", [{ f: '2001:db8::7' }, { f: '2001:db9::7' }]),
  field('`base64`', 'f|base64|contains: ping', [{ f: 'x cGluZw== y' }, { f: 'ping' }]),
  field('`base64offset`', 'f|base64offset|contains: secret', [
    { f: Buffer.from('my secret word').toString('base64') },
    { f: Buffer.from('my public word').toString('base64') },
  ]),
  field('`utf16le`, `wide`', 'f|wide|base64offset|contains: ping', [
    { f: Buffer.from('do ping', 'utf16le').toString('base64') },
    { f: Buffer.from('do ping').toString('base64') },
  ]),
  field('`utf16be`', 'f|utf16be|base64offset|contains: ping', [
    { f: Buffer.from('do ping', 'utf16le').swap16().toString('base64') },
    { f: Buffer.from('do ping').toString('base64') },
  ]),
  field('`utf16`', 'f|utf16|base64|startswith: ping', [
    { f: Buffer.from('\u{feff}ping', 'utf16le').toString('base64') },
    { f: 'ping' },
  ]),
  field('`windash`', "f|windash|contains: ' -s '", [{ f: 'x /s y' }, { f: 'x s y' }]),
  field('`fieldref`', 'f|fieldref: arguments.g', [
    { f: 'x', g: 'x' },
    { f: 'x', g: 'y' },
  ]),
  field('`fieldref` with `startswith`', 'f|fieldref|startswith: arguments.g', [
    { f: 'xyz', g: 'x' },
    { f: 'xyz', g: 'y' },
  ]),
  field('`minute`, `hour`, `day`, `week`, `month`, `year`', 'f|hour|gte: 22', [
    { f: '2026-01-05T23:10:00Z' },
    { f: '2026-01-05T09:10:00Z' },
  ]),
  {
    feature: '`expand`, values under `muniment.placeholders`',
    isSupported: true,
    rule: "title: t\nid: a\ndetection: { s: { arguments.f|expand: '%admins%' }, condition: s }\nmuniment: { placeholders: { admins: [kim, lee] } }",
    fires: { arguments: { f: 'lee' } },
    quiet: { arguments: { f: 'bob' } },
  },
])

const searches: readonly Feature[] = [
  {
    area: 'searches',
    feature: 'map: all of its lines',
    isSupported: true,
    rule: 's:\n  tool: read\n  arguments.f: a\ncondition: s',
    fires: { tool: 'read', arguments: { f: 'a' } },
    quiet: { tool: 'read', arguments: { f: 'b' } },
  },
  {
    area: 'searches',
    feature: 'list of maps: one of them',
    isSupported: true,
    rule: 's:\n  - { arguments.f: a }\n  - { arguments.g: b }\ncondition: s',
    fires: { arguments: { g: 'b' } },
    quiet: { arguments: { f: 'b' } },
  },
  {
    area: 'searches',
    feature: 'keywords, in every text of the event',
    isSupported: true,
    rule: 'keywords: [evilservice, svchost.exe -n evil]\ncondition: keywords',
    fires: { result: { content: [{ type: 'text', text: 'started EvilService at nine' }] } },
    quiet: { result: { content: [{ type: 'text', text: 'started a service at nine' }] } },
  },
  {
    area: 'searches',
    feature: 'keywords, all of them',
    isSupported: true,
    rule: "keywords:\n  '|all': [alpha-word, beta-word]\ncondition: keywords",
    fires: { arguments: { f: 'one alpha-word here', g: 'one beta-word there' } },
    quiet: { arguments: { f: 'one alpha-word here' } },
  },
]

function condition(text: string, fires: unknown, quiet: unknown): Feature {
  const rule = `a: { arguments.a: 1 }\nb: { arguments.b: 1 }\nfilter_x: { arguments.x: 1 }\nfilter_y: { arguments.y: 1 }\ncondition: ${text}`
  return {
    area: 'conditions',
    feature: `\`${text}\``,
    isSupported: true,
    rule,
    fires: { arguments: fires },
    quiet: { arguments: quiet },
  }
}

const conditions: readonly Feature[] = [
  condition('a and b', { a: 1, b: 1 }, { a: 1 }),
  condition('a or b', { b: 1 }, { x: 1 }),
  condition('a and not b', { a: 1 }, { a: 1, b: 1 }),
  condition('a and not (b or filter_x)', { a: 1 }, { a: 1, x: 1 }),
  condition('1 of filter_*', { y: 1 }, { a: 1 }),
  condition('any of filter_*', { x: 1 }, { a: 1 }),
  condition('all of filter_*', { x: 1, y: 1 }, { x: 1 }),
  condition('a and not 1 of filter_*', { a: 1 }, { a: 1, y: 1 }),
  condition('1 of them', { b: 1 }, { c: 1 }),
  condition('all of them', { a: 1, b: 1, x: 1, y: 1 }, { a: 1, b: 1 }),
  {
    area: 'conditions',
    feature: 'list of conditions: one of them',
    isSupported: true,
    rule: 'a: { arguments.a: 1 }\nb: { arguments.b: 1 }\ncondition: [a, b]',
    fires: { arguments: { b: 1 } },
    quiet: { arguments: { c: 1 } },
  },
]

const refused: readonly Feature[] = [
  {
    area: 'conditions',
    feature: 'aggregations after `|` (deprecated for correlations)',
    isSupported: false,
    rule: 's: { tool: x }\ncondition: s | count() > 3',
  },
  {
    area: 'modifiers',
    feature: '`re` with look-behind, back-references or repeats of repeats',
    isSupported: false,
    rule: "s: { tool|re: '(a+)+b' }\ncondition: s",
  },
  {
    area: 'modifiers',
    feature: 'modifiers that the specification does not have',
    isSupported: false,
    rule: 's: { tool|base65: x }\ncondition: s',
  },
]

/** Rules on single events. */
export const features: readonly Feature[] = [...values, ...modifiers, ...searches, ...conditions, ...refused]

/** A pack of documents, tried on a run of events. */
export interface Run {
  readonly area: string
  readonly feature: string
  readonly pack: string
  /** Name of the rule that must alert, or must not. */
  readonly rule: string
  readonly fires: readonly Readonly<Record<string, unknown>>[]
  readonly quiet: readonly Readonly<Record<string, unknown>>[]
}

const failed = `title: Failed login
id: 5638f7c0-ac70-491d-8465-2a65075e0d86
name: failed_login
level: informational
logsource: { product: mcp }
detection:
  selection: { tool: login, outcome: tool_error }
  condition: selection
`

const succeeded = `title: Successful login
id: 4d0a2c83-c62c-4ed4-b475-c7e23a9269b8
name: successful_login
level: informational
logsource: { product: mcp }
detection:
  selection: { tool: login, outcome: ok }
  condition: selection
`

function correlation(name: string, lines: string): string {
  const body = lines
    .split('\n')
    .map(line => `  ${line}`)
    .join('\n')
  return `title: ${name}\nid: ${name}\nname: ${name}\nlevel: high\ncorrelation:\n${body}\n`
}

function pack(...documents: readonly string[]): string {
  return documents.join('---\n')
}

const bad = { tool: 'login', outcome: 'tool_error' }
const good = { tool: 'login' }

/** Correlations and filters. */
export const runs: readonly Run[] = [
  {
    area: 'correlations',
    feature: '`event_count`',
    rule: 'many_failed',
    pack: pack(
      failed,
      correlation(
        'many_failed',
        'type: event_count\nrules: [failed_login]\ngroup-by: [principal]\ntimespan: 5m\ncondition: { gte: 10 }',
      ),
    ),
    fires: [{ ...bad, repeat: 10, every: '10s' }],
    quiet: [{ ...bad, repeat: 20, every: '1m' }],
  },
  {
    area: 'correlations',
    feature: '`group-by` keeps groups apart',
    rule: 'many_failed',
    pack: pack(
      failed,
      correlation(
        'many_failed',
        'type: event_count\nrules: failed_login\ngroup-by: [server]\ntimespan: 5m\ncondition: { gte: 6 }',
      ),
    ),
    fires: [
      { ...bad, principal: 'kim', repeat: 3 },
      { ...bad, principal: 'lee', repeat: 3 },
    ],
    quiet: [
      { ...bad, server: 'a', repeat: 5 },
      { ...bad, server: 'b', repeat: 5 },
    ],
  },
  {
    area: 'correlations',
    feature: '`value_count`',
    rule: 'many_users',
    pack: pack(
      failed,
      correlation(
        'many_users',
        'type: value_count\nrules: [failed_login]\ngroup-by: [client.name]\ntimespan: 1h\ncondition: { field: arguments.user, gte: 5 }',
      ),
    ),
    fires: [{ ...bad, arguments: { user: 'user-#' }, repeat: 5 }],
    quiet: [{ ...bad, arguments: { user: 'always-me' }, repeat: 50 }],
  },
  {
    area: 'correlations',
    feature: '`temporal`, any order',
    rule: 'both',
    pack: pack(
      failed,
      succeeded,
      correlation(
        'both',
        'type: temporal\nrules: [failed_login, successful_login]\ngroup-by: [principal]\ntimespan: 1m',
      ),
    ),
    fires: [good, bad],
    quiet: [good, { ...bad, every: '5m' }],
  },
  {
    area: 'correlations',
    feature: '`temporal_ordered`',
    rule: 'then',
    pack: pack(
      failed,
      succeeded,
      correlation(
        'then',
        'type: temporal_ordered\nrules: [failed_login, successful_login]\ngroup-by: [principal]\ntimespan: 1m',
      ),
    ),
    fires: [bad, good],
    quiet: [good, bad],
  },
  {
    area: 'correlations',
    feature: '`temporal` with a condition over the rules',
    rule: 'one',
    pack: pack(
      failed,
      succeeded,
      correlation(
        'one',
        'type: temporal\nrules: [failed_login, successful_login]\ngroup-by: [principal]\ntimespan: 1m\ncondition: failed_login and not successful_login',
      ),
    ),
    fires: [bad],
    quiet: [good],
  },
  {
    area: 'correlations',
    feature: 'chains: many failed, then one successful',
    rule: 'brute_force',
    pack: pack(
      failed,
      succeeded,
      correlation(
        'many_failed',
        'type: event_count\nrules: [failed_login]\ngroup-by: [principal]\ntimespan: 5m\ncondition: { gte: 5 }',
      ),
      correlation(
        'brute_force',
        'type: temporal_ordered\nrules: [many_failed, successful_login]\ngroup-by: [principal]\ntimespan: 10m',
      ),
    ),
    fires: [{ ...bad, repeat: 5 }, good],
    quiet: [{ ...bad, repeat: 4 }, good],
  },
  {
    area: 'correlations',
    feature: '`aliases`',
    rule: 'handed_on',
    pack: pack(
      failed.replace('tool: login, outcome: tool_error', 'tool: give').replace('failed_login', 'given'),
      succeeded.replace('tool: login, outcome: ok', 'tool: take').replace('successful_login', 'taken'),
      correlation(
        'handed_on',
        'type: temporal_ordered\nrules: [given, taken]\naliases:\n  thing: { given: arguments.what, taken: arguments.item }\ngroup-by: [thing]\ntimespan: 10m',
      ),
    ),
    fires: [
      { tool: 'give', principal: 'kim', arguments: { what: 'key-7' } },
      { tool: 'take', principal: 'lee', arguments: { item: 'key-7' } },
    ],
    quiet: [
      { tool: 'give', principal: 'kim', arguments: { what: 'key-7' } },
      { tool: 'take', principal: 'lee', arguments: { item: 'key-8' } },
    ],
  },
  {
    area: 'correlations',
    feature: '`value_sum`',
    rule: 'much',
    pack: pack(
      succeeded,
      correlation(
        'much',
        'type: value_sum\nrules: [successful_login]\ngroup-by: [principal]\ntimespan: 1h\ncondition: { field: arguments.amount, gt: 100 }',
      ),
    ),
    fires: [{ ...good, arguments: { amount: 30 }, repeat: 4 }],
    quiet: [{ ...good, arguments: { amount: 30 }, repeat: 3 }],
  },
  {
    area: 'correlations',
    feature: '`value_avg`',
    rule: 'high',
    pack: pack(
      succeeded,
      correlation(
        'high',
        'type: value_avg\nrules: [successful_login]\ngroup-by: [principal]\ntimespan: 1h\ncondition: { field: arguments.amount, gte: 50 }',
      ),
    ),
    fires: [{ ...good, arguments: { amount: 60 } }],
    quiet: [
      { ...good, arguments: { amount: 10 } },
      { ...good, arguments: { amount: 60 } },
    ],
  },
  {
    area: 'correlations',
    feature: '`value_percentile`, `value_median`',
    rule: 'slow',
    pack: pack(
      succeeded,
      correlation(
        'slow',
        'type: value_percentile\nrules: [successful_login]\ngroup-by: [principal]\ntimespan: 1h\ncondition: { field: arguments.ms, percentile: 90, gte: 900 }',
      ),
    ),
    fires: [{ ...good, arguments: { ms: 1000 }, repeat: 3 }],
    quiet: [
      { ...good, arguments: { ms: 10 }, repeat: 20 },
      { ...good, arguments: { ms: 1000 } },
    ],
  },
  {
    area: 'correlations',
    feature: '`generate`: the rules it names alert as well',
    rule: 'failed_login',
    pack: pack(
      failed,
      correlation(
        'many_failed',
        'type: event_count\nrules: [failed_login]\ngroup-by: [principal]\ntimespan: 5m\ncondition: { gte: 10 }\ngenerate: true',
      ),
    ),
    fires: [bad],
    quiet: [good],
  },
  {
    area: 'filters',
    feature: 'narrow the rules they name',
    rule: 'failed_login',
    pack: pack(
      failed,
      'title: No robots\nid: f1\nlogsource: { product: mcp }\nfilter:\n  rules: [failed_login]\n  selection: { principal|startswith: robot- }\n  condition: not selection\n',
    ),
    fires: [bad],
    quiet: [{ ...bad, principal: 'robot-7' }],
  },
  {
    area: 'filters',
    feature: 'without rules, or with `any`: narrow all',
    rule: 'failed_login',
    pack: pack(
      failed,
      'title: Not at home\nid: f2\nlogsource: { product: mcp }\nfilter:\n  rules: any\n  selection: { server: home }\n  condition: not selection\n',
    ),
    fires: [bad],
    quiet: [{ ...bad, server: 'home' }],
  },
]
