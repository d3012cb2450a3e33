/** One tool call of the demonstration. */
export interface Step {
  readonly server: 'everything' | 'filesystem' | 'memory'
  readonly tool: string
  readonly args: Readonly<Record<string, unknown>>
}

/** Made-up personal data of seven kinds; none of it may be found anywhere behind the masker. */
export const plantedValues = {
  email: 'ada.lovelace@example.com',
  phone: '+1 212-736-5000',
  ssn: '536-90-4399',
  card: '4111 1111 1111 1111',
  ip: '198.51.100.23',
  address: '742 Evergreen Terrace, Springfield, IL 62704',
  passport: 'L898902C3',
} as const

/** A word that is no personal data and must come through. */
export const ordinaryWord = 'marmalade'

const customer = {
  id: 'c-1001',
  note: ordinaryWord,
  email: plantedValues.email,
  phone: plantedValues.phone,
  ssn: plantedValues.ssn,
  card: plantedValues.card,
  last_login_ip: plantedValues.ip,
  address: plantedValues.address,
  passport_number: plantedValues.passport,
}

const letter = `Dear ${ordinaryWord} friend, write to ${plantedValues.email} or call ${plantedValues.phone}. My SSN is ${plantedValues.ssn}.`

function filesystemSteps(folder: string): readonly Step[] {
  const file = `${folder}/customers.json`
  const calls: readonly (readonly [string, Step['args']])[] = [
    ['write_file', { path: file, content: JSON.stringify({ customers: [customer] }) }],
    ['read_text_file', { path: file }],
    ['list_directory', { path: folder }],
    ['read_text_file', { path: `${folder}/no-such-file-of-${plantedValues.email}` }],
    ['read_text_file', { path: `${folder}/../../../../etc/passwd` }],
  ]
  return calls.map(([tool, args]) => ({ server: 'filesystem', tool, args }))
}

function memorySteps(): readonly Step[] {
  const observations = [letter, JSON.stringify(customer)]
  const entity = { name: 'customer c-1001', entityType: 'customer', observations }
  const calls: readonly (readonly [string, Step['args']])[] = [
    ['create_entities', { entities: [entity] }],
    ['search_nodes', { query: 'customer' }],
    ['search_nodes', { query: "x' UNION SELECT password FROM users WHERE '1'='1" }],
  ]
  return calls.map(([tool, args]) => ({ server: 'memory', tool, args }))
}

function everythingSteps(): readonly Step[] {
  const calls: readonly (readonly [string, Step['args']])[] = [
    ['echo', { message: `passport ${plantedValues.passport}, card ${plantedValues.card}` }],
    ['get-sum', { a: 40, b: 2 }],
    ['get-structured-content', { location: 'New York' }],
    ['no-such-tool', { ip: plantedValues.ip, home: plantedValues.address }],
  ]
  return calls.map(([tool, args]) => ({ server: 'everything', tool, args }))
}

/** What the demonstration does with three servers, given the folder that the filesystem server may use. */
export function conversation(folder: string): readonly Step[] {
  return [...filesystemSteps(folder), ...memorySteps(), ...everythingSteps()]
}
