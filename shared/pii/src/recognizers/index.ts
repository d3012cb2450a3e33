import type { Recognizer } from '../recognizer.ts'
import { address } from './address.ts'
import { birth } from './birth.ts'
import { card } from './card.ts'
import { email } from './email.ts'
import { iban } from './iban.ts'
import { ip } from './ip.ts'
import { mrz } from './mrz.ts'
import { name } from './name.ts'
import { national } from './national.ts'
import { passport } from './passport.ts'
import { phone } from './phone.ts'
import { secret } from './secret.ts'
import { ssn } from './ssn.ts'

/** Every kind, surest first: what one has taken, the next ones leave alone. */
export const recognizers: readonly Recognizer[] = [
  mrz,
  secret,
  email,
  iban,
  ip,
  card,
  ssn,
  phone,
  passport,
  birth,
  national,
  address,
  name,
]
