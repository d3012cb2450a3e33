// Made-up personal data of the seven kinds, and an ordinary word that must come through.

export const planted = {
  email: 'grace.hopper@example.org',
  phone: '+1 312-555-0142',
  ssn: '536-22-8726',
  card: '5555 5555 5555 4444',
  ip: '203.0.113.77',
  address: '1600 Amphitheatre Parkway, Mountain View, CA 94043',
  passport: 'C01X00T47',
} as const

/** No personal data. */
export const ordinary = 'quincemarmalade'

/** All seven kinds, as a record of a customer would hold them. */
export const customer = {
  note: ordinary,
  email: planted.email,
  phone: planted.phone,
  ssn: planted.ssn,
  card: planted.card,
  last_login_ip: planted.ip,
  address: planted.address,
  passport_number: planted.passport,
} as const

/** All seven kinds in running text. */
export const letter = `${ordinary}: mail ${planted.email}, call ${planted.phone}, SSN ${planted.ssn}, card ${planted.card}, passport ${planted.passport}, from ${planted.ip}, lives at ${planted.address}`
