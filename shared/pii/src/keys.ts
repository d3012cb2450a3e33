import * as hint from './hints.ts'
import { once } from './once.ts'
import { safeSegment } from './segment.ts'
import type { Source } from './source.ts'

const bits = (table: ReadonlyArray<readonly [number, string]>): ReadonlyMap<string, number> => {
  const map = new Map<string, number>()
  for (const [bit, words] of table)
    for (const word of words.split(' ')) map.set(word, (map.get(word) ?? 0) | bit)
  return map
}

/** Whole names, joined without separators and in small letters. */
const NAMES: ReadonlyArray<readonly [number, string]> = [
  [hint.EMAIL, 'email mail emailaddress cc bcc replyto'],
  [
    hint.PHONE,
    'phone phonenumber telephone tel mobile cell cellphone mobilephone mobilenumber fax faxnumber msisdn whatsapp ' +
      'contactnumber contactno phoneno phonenum mobileno homephone workphone landline telefon telefono telefone handy ' +
      'callerid sms smsnumber dialnumber tlf gsm contact celular handynummer movil portable telemovel cellulare puhelin ' +
      'telefonnummer numerodetelephone numerodetelefono numeroditelefono телефон 电话 手机 手机号 电话号码 電話番号 전화번호',
  ],
  [hint.SSN, 'ssn socialsecurity socialsecuritynumber socialsecurityno socsec ssnumber ssno'],
  [
    hint.CARD,
    'card cardnumber cardno ccnumber ccnum creditcard creditcardnumber debitcard pan ccn paymentcard cardnum primaryaccountnumber',
  ],
  [
    hint.IP,
    'ip ipaddress ipaddr ipv4 ipv6 remoteaddr clientip remoteip sourceip srcip dstip host xforwardedfor',
  ],
  [
    hint.ADDRESS,
    'address addr street streetaddress address1 address2 addressline addressline1 addressline2 line1 line2 ' +
      'homeaddress mailingaddress billingaddress shippingaddress postaladdress deliveryaddress residence street1 ' +
      'street2 direccion adresse indirizzo endereco strasse pobox formattedaddress residentialaddress domicilio anschrift ' +
      'adres calle rue адрес 地址 住所 주소',
  ],
  [hint.PLACE, 'city town zip zipcode postcode postalcode postal locality plz suburb'],
  [
    hint.PASSPORT,
    'passport passportnumber passportno passportnum passportid traveldocument traveldocumentnumber traveldocno ' +
      'mrz passnumber reisepass pasaporte passeport traveldoc passaporto passaporte passnummer reisepassnummer ' +
      'numerodepasaporte numerodepasseport паспорт 护照 护照号 护照号码 パスポート番号 여권번호',
  ],
  [hint.IBAN, 'iban ibannumber accountiban ibancode'],
  [
    hint.NAME,
    'firstname lastname fullname surname givenname givennames familyname middlename maidenname displayname realname ' +
      'forename fname lname mname cardholder cardholdername accountholder patientname customername username1 ' +
      'contactname nickname preferredname legalname birthname vorname nachname nombre apellido apellidos prenom cognome ' +
      'mothersmaidenname recipientname sendername authorname employeename beneficiary payee nameoncard holdername',
  ],
  [
    hint.BIRTH,
    'dob birthdate dateofbirth birthday bday born birthdt geburtsdatum fechanacimiento datenaissance birth doborn ' +
      'fechadenacimiento datedenaissance datadenascimento datanascimento datadinascita datanascita geboortedatum ' +
      'fodelsedatum fodselsdato fodselsdag dataurodzenia geburtstag датарождения 出生日期 生年月日 생년월일',
  ],
  [
    hint.SECRET,
    'password passwd pwd passphrase passcode secret clientsecret apikey apisecret secretkey accesskey accesstoken ' +
      'authtoken refreshtoken privatekey bearertoken sessiontoken authorization secretaccesskey awssecretaccesskey ' +
      'encryptionkey signingkey signingsecret webhooksecret connectionstring pass pw userpassword dbpassword ' +
      'xapikey apitoken idtoken credential credentials servicesecret accountkey sharedaccesskey masterkey cookie setcookie ' +
      'privatetoken personalaccesstoken bottoken oauthtoken passwort contrasena motdepasse pin pincode cvv cvc cvv2 otp ' +
      'senha kennwort wachtwoord haslo losenord parola clave пароль 密码 パスワード 비밀번호',
  ],
  [hint.WEAK_SECRET, 'token key auth jwt bearer sessionid session salt signature nonce'],
  [
    hint.NATIONAL,
    'nationalid nationalidnumber nationalinsurance nationalinsurancenumber nino nhs nhsnumber taxid taxnumber taxpayerid ' +
      'tin itin ein vatid identitycard identitycardnumber idnumber idcard idcardnumber idno personalid personalnumber ' +
      'personnummer cpf cnpj curp rfc dni nif nie cnp pesel bsn aadhaar aadhar pancard sin sinnumber tfn medicare ' +
      'driverlicense driverslicense driverlicence driverslicence driverlicensenumber driverslicensenumber driverslicenceno dl ' +
      'licensenumber dlnumber codicefiscale steuerid insee nir hkid ' +
      'nric fin rut run cuit cuil ahv ahvnummer avs hetu henkilotunnus cpr cprnummer kennitala tckimlik tckimlikno tckn kimlikno ' +
      'numerodesecuritesociale securitesociale numerosecu steueridentifikationsnummer steuernummer personalausweis ' +
      'vatnumber vatno vatin ustid ustidnr gstin pesel snils снилс инн 身份证 身份证号 身份证号码 vin insurancenumber ' +
      'medicarenumber medicareno healthcardnumber passportcardnumber voterid emiratesid iqama ' +
      'mrn medicalrecordnumber birthnumber rodnecislo egn oib jmbg fiscalcode sozialversicherungsnummer socialinsurance',
  ],
  [
    hint.HARDWARE,
    'imei imei1 imei2 mac macaddress macaddr hwaddr hardwareaddress ethaddr meid bssid wallet walletaddress',
  ],
  [
    hint.GENERIC,
    'value number no num text data content body val raw input original string message description note notes comment ' +
      'query q answer response result output default primary secondary home work personal other current previous ' +
      'old new main alt alternate details line lines detail summary formatted e164 national international',
  ],
  [hint.LABEL, 'type name label key field kind title attribute property question param header column'],
  [hint.PLAIN_NAME, 'name'],
  [
    hint.PERSON,
    'user customer client person people employee contact contacts patient requester author owner member recipient sender ' +
      'applicant guest passenger traveler traveller student teacher buyer seller assignee reporter profile subscriber ' +
      'beneficiaries participant participants attendee attendees driver resident tenant spouse partner child parent ' +
      'guardian shipping billing consignee insured claimant borrower cardholder holder payer donor voter nominee ' +
      'creator organizer director manager agent representative users customers clients persons employees patients members',
  ],
]

const namesOf = once(() => bits(NAMES))

/** Last words of a name that say the value is bookkeeping about the thing, not the thing. */
const tailsOf = once(
  () =>
    new Set(
      (
        'id ids uid uuid guid ref reference at ts time timestamp epoch hash sha sha1 sha256 md5 digest checksum etag version ver revision rev ' +
        'count total size length len bytes offset index idx seq sequence order sku tracking isbn ean upc barcode gtin asin amount price cost ' +
        'balance cents fee tax qty quantity score ratio rate percent duration ms ns status state code type kind flag enabled verified ' +
        'valid valido date created updated modified expires expiry issued url uri href link path file filename format pattern regex schema ' +
        'build commit branch tag port pid lag latency width height lat lng lon latitude longitude timezone tz locale lang language ' +
        'country currency plan level limit max min page serial invoice ticket batch lot part model release last4 prefix suffix mask ' +
        'number_of history policy rules rule hint length label placeholder domain provider template subject required sent count attempts ' +
        'cursor next after before continuation fingerprint thumbprint reading delta sum mean avg median std variance threshold weight seed salary integrity resolved nanos micros millis dur'
      ).split(' '),
    ),
)

const SIMPLE = /^[a-z0-9_]+$/

const split = (name: string): string[] =>
  SIMPLE.test(name) ? name.split('_').filter(word => word !== '') : splitAny(name)

const splitAny = (name: string): string[] =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replaceAll('ß', 'ss')
    .split(/[^\p{L}\p{N}]+/u)
    .filter(word => word !== '')

const withoutDigits = (word: string): string => word.replace(/^[0-9]+|[0-9]+$/g, '')

/** Hints of the longest run of words that is a known name, tried from the end of the key. */
const longestName = (words: readonly string[]): { readonly bits: number; readonly to: number } => {
  let found = 0
  let to = 0
  let longest = 0
  for (let i = 0; i < words.length; i++) {
    for (let j = Math.min(words.length, i + 4); j > i; j--) {
      const joined = words.slice(i, j).join('')
      const hit = namesOf().get(joined) ?? namesOf().get(withoutDigits(joined)) ?? singular(joined)
      if (hit === undefined || (hit & hint.KINDS) === 0) continue
      if (j - i > longest || j > to) [found, to, longest] = [hit, j, j - i]
    }
  }
  return { bits: found, to }
}

const singular = (word: string): number | undefined => {
  if (!word.endsWith('s')) return undefined
  return (
    namesOf().get(word.slice(0, -1)) ?? (word.endsWith('es') ? namesOf().get(word.slice(0, -2)) : undefined)
  )
}

const looksPersonal = (name: string): boolean => {
  let digits = 0
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i)
    if (c === 64 || c === 58 || c === 92 || c === 37 || c > 0x7f) return true
    if (c >= 48 && c <= 57) digits++
  }
  return digits >= 6 || name.length > 40
}

const tailOf = (words: readonly string[]): number => {
  const last = words.at(-1) ?? ''
  if (tailsOf().has(last)) return hint.DENY
  return tailsOf().has(withoutDigits(last)) ? hint.DENY : 0
}

const WEAK_BITS = hint.WEAK_SECRET | hint.LABEL | hint.PLAIN_NAME | hint.GENERIC | hint.PERSON | hint.PLACE

const wholeBits = (words: readonly string[]): number => {
  const whole = words.join('')
  return namesOf().get(whole) ?? namesOf().get(withoutDigits(whole)) ?? singular(whole) ?? 0
}

/** What the single words of a longer name add: the last one its sort, any of them that somebody is described. */
const partBits = (words: readonly string[]): number => {
  const last = namesOf().get(withoutDigits(words.at(-1) ?? '')) ?? 0
  let found = last & (hint.WEAK_SECRET | hint.LABEL | hint.PLAIN_NAME | hint.PLACE)
  for (const word of words) found |= (namesOf().get(word) ?? singular(word) ?? 0) & hint.PERSON
  const isPersonName = (found & hint.PLAIN_NAME) !== 0 && (found & hint.PERSON) !== 0
  return isPersonName ? found | hint.NAME : found
}

const outerBits = (words: readonly string[]): number =>
  words.length > 1 ? wholeBits(words) | partBits(words) : wholeBits(words)

/** What a key name says, by its words: the head noun decides, so `ip_country_code` is a code and no address. */
export const hintsOfKey = (name: string): number => {
  const suspect = looksPersonal(name) ? hint.SUSPECT : 0
  if (name.length > 64) return suspect
  const words = split(name)
  const { bits: kinds, to } = longestName(words)
  const rest = words.slice(to)
  const outer = outerBits(words)
  if (kinds === 0) return suspect | (outer & WEAK_BITS) | tailOf(words)
  const denied = rest.length > 0 ? tailOf(rest) : 0
  return denied === 0 ? suspect | kinds | (outer & WEAK_BITS) : suspect | denied | (outer & hint.LABEL)
}

const LABEL_MAX = 42

/** The closing quote of a label; -1 for a long one or one that was masked. */
const labelEnd = ({ bytes, size }: Source, start: number): number => {
  const limit = Math.min(size, start + LABEL_MAX + 1)
  for (let i = start; i < limit; i++) {
    const c = bytes[i] ?? 0
    if (c === 34) return i
    if (c === 91) return -1
  }
  return -1
}

const isLetter = (c: number): boolean => (c | 32) >= 97 && (c | 32) <= 122

/** Letters of a label, made small. */
const labelLetters = ({ bytes }: Source, start: number, end: number): string => {
  let joined = ''
  for (let i = start; i < end; i++) {
    const c = bytes[i] ?? 0
    if (isLetter(c)) joined += String.fromCharCode(c | 32)
  }
  return joined
}

/** Marks the first and last letters of the names that may be labels: most labels are told by them, without a word being put together. */
const labelEndsOf = once(() => {
  const ends = new Uint8Array(1024)
  for (const [name, meaning] of namesOf())
    if ((meaning & hint.KINDS) !== 0) ends[endsSlot(name.charCodeAt(0), name.charCodeAt(name.length - 1))] = 1
  return ends
})

const endsSlot = (first: number, last: number): number => ((first & 31) << 5) | (last & 31)

/** Whether the letters at both ends of a label, where it has letters there, are those of a name. */
const mayBeLabel = ({ bytes }: Source, start: number, end: number): boolean => {
  const first = bytes[start] ?? 0
  const last = bytes[end - 1] ?? 0
  return !isLetter(first) || !isLetter(last) || labelEndsOf()[endsSlot(first, last)] === 1
}

/** Hints of a label's value, which counts only as a whole: `Passport number`, not `Passport Smith`. */
export const hintsOfLabel = (source: Source, start: number): number => {
  const end = labelEnd(source, start)
  if (end <= start || !mayBeLabel(source, start, end)) return 0
  return (namesOf().get(labelLetters(source, start, end)) ?? 0) & hint.KINDS
}

const SLOTS = 8192
const KEY_MAX = 64

/** A key between its quotes, and the hash it is remembered under; -1 where it is not remembered. */
export interface Key {
  keyStart: number
  keyEnd: number
  keyHash: number
}

/** One more code of a key's hash. */
export const hashedKey = (hash: number, c: number): number => (Math.imul(hash, 31) + c) & 0x7f_ff_ff_ff

const NO_NAME = new Uint8Array(0)

/**
 * What is known of keys seen before: one key per slot, so a flood of keys only costs time, never room. It holds key names that are
 * safe to keep, at most 8,192 of them.
 */
const names: Uint8Array[] = Array.from({ length: SLOTS })
const hintsBySlot = new Int32Array(SLOTS)
const segments: string[] = Array.from({ length: SLOTS })

const isSame = (name: Uint8Array, bytes: Uint8Array, key: Key): boolean => {
  if (name.length !== key.keyEnd - key.keyStart) return false
  for (let i = 0; i < name.length; i++) if (name[i] !== bytes[key.keyStart + i]) return false
  return true
}

const learn = (slot: number, source: Source, { keyStart, keyEnd }: Key): void => {
  const name = source.text().slice(keyStart, keyEnd)
  names[slot] = source.bytes.slice(keyStart, keyEnd)
  hintsBySlot[slot] = hintsOfKey(name)
  segments[slot] = safeSegment(name)
}

/** Slot of a short key of ASCII letters; -1 for any other. */
const slotOf = (source: Source, key: Key): number => {
  if (key.keyHash < 0 || key.keyStart === key.keyEnd || key.keyEnd - key.keyStart > KEY_MAX) return -1
  const slot = (key.keyHash ^ (key.keyHash >>> 15)) & (SLOTS - 1)
  const name = names[slot] ?? NO_NAME
  if (!isSame(name, source.bytes, key)) learn(slot, source, key)
  return slot
}

/** What a key says. */
export const hintsAt = (source: Source, key: Key): number => {
  const slot = slotOf(source, key)
  return slot >= 0 ? (hintsBySlot[slot] ?? 0) : hintsOfOther(source, key)
}

const OTHERS_MAX = 1024
/** Hints of keys with other letters, forgotten all at once when there are too many. */
const others = new Map<string, number>()

const hintsOfOther = (source: Source, { keyStart, keyEnd }: Key): number => {
  const name = source.text().slice(keyStart, Math.min(keyEnd, keyStart + KEY_MAX + 1))
  const known = others.get(name)
  if (known !== undefined) return known
  if (others.size >= OTHERS_MAX) others.clear()
  const hints = hintsOfKey(name)
  others.set(name, hints)
  return hints
}

const hashIn = (bytes: Uint8Array, start: number, end: number): number => {
  let hash = 0
  for (let i = start; i < end; i++) {
    const c = bytes[i] ?? 0
    if (c >= 128) return -1
    hash = hashedKey(hash, c)
  }
  return hash
}

/** The key as it may stand in a path. */
export const segmentAt = (source: Source, start: number, end: number): string => {
  const slot = slotOf(source, { keyStart: start, keyEnd: end, keyHash: hashIn(source.bytes, start, end) })
  return slot < 0 ? '*' : (segments[slot] ?? '*')
}
