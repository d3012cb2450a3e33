import { LOWER_WIDE } from './chars.ts'
import { FOLD } from './fold.ts'
import * as hint from './hints.ts'
import type { Source } from './source.ts'

/** Street suffixes of USPS Publication 28, appendix C1: names, standard and common abbreviations. */
const SUFFIXES =
  'alley aly allee ally anex annex anx arcade arc avenue ave av aven avenu avn avnue bayou byu beach bch bend bnd bluff blf bluffs blfs ' +
  'bottom btm boulevard blvd boul boulv branch brnch bridge brg brook brk brooks burg bypass byp byps camp cmp canyon cyn cape cpe causeway ' +
  'cswy center ctr centre cir circle circ crcl circles cliff clf cliffs clfs club clb commons corner cor corners cors course crse court ct ' +
  'courts cts cove cv coves creek crk crescent cres crest crossing xing crossroad curve dale dl dam divide dv drive dr driv drv drives drs ' +
  'estate est estates ests expressway expy expwy expr extension ext falls fls ferry fry field fld fields flds flat flats flts ford frd ' +
  'fords forest frst forge frg fork frk forks frks fort freeway fwy garden gdn gardens gdns gateway gtwy glen gln glens green grn greens ' +
  'grns grove grv groves harbor hbr harbors haven hvn heights hts hgts highway hwy hiway hgwy hill hl hills hls hollow holw inlet inlt island is ' +
  'islands isle jct junction junctions key ky keys kys knoll knl knolls knls lake lk lakes lks land landing lndg lndng lane ln light lgt ' +
  'lights lgts loaf lf lock lck locks lcks lodge ldg loop mall manor mnr manors meadow mdw meadows mdws mews mill ml mills mls mission msn ' +
  'motorway mtwy mount mt mountain mtn mountains neck nck orchard orch oval ovl overpass opas park parks parkway pkwy pkway parkwy pky ' +
  'parkways pass passage psge path pike pine pne pines pnes place pl plain pln plains plns plaza plz plza point pt points pts port prt ' +
  'ports prts prairie pr radial radl ramp ranch rnch rapid rpd rapids rpds rest rst ridge rdg rdge ridges rdgs river riv road rd roads rds route rte ' +
  'row rue run shoal shl shoals shls shore shr shores shrs skyway skwy spring spg springs spgs spur spurs square sq sqr squares sqs station ' +
  'sta stn stravenue stra stream strm street st str strt streets sts summit smt terrace ter terr throughway trwy trace trce track trak ' +
  'trafficway trfy trail trl trails trls tunnel tunl turnpike tpke underpass upas union un unions uns valley vly valleys vlys viaduct via ' +
  'view vw views vws village vlg villg villages vlgs ville vl vista vis walk walks wall way wy ways well wl wells wls wharf close broadway promenade ' +
  'esplanade quay gate yard mead wynd parade concourse bdwy'

/** Words that name a way and come before its name (Romance, Slavic) or stand alone beside it. */
const STREET_WORDS =
  'rua avenida travessa alameda praça largo rodovia estrada calle carrera paseo plaza camino carretera cuesta ronda glorieta travesía pasaje ' +
  'callejón subida bajada barrio polígono rambla sector urbanización via viale piazza piazzale corso vicolo strada largo contrada lungomare ' +
  'borgo rotonda rue boulevard quai impasse allée chemin cours passage ul ulica osiedle al aleja bulw bulwar pl plac ogród skwer rynek ' +
  'rondo droga wybrzeże ulitsa улица ул проспект пр переулок пер площадь вулиця utca út tér strada bulevardul calea piața apartamento ' +
  'manzana entrada partida caserio lugar terrenos parcela puerta mercado edificio bloque arroyo huerta extramuros grupo municipio ' +
  'extrarradio colegio parque quinta prolongación jardines acceso rampa solar salida rincón masía poblado sección monte muelle chalet casa ' +
  'conjunto aldea torrente senda lado'

/** Endings of one-word street names (German, Dutch, Nordic, Baltic, Czech): the number follows. */
const STREET_ENDINGS: readonly string[] = (
  'straße strasse str weg platz allee gasse ufer damm ring steig stieg gatan vägen gränden väg gata torget stigen backen allén gränd ' +
  'vej gade gaden allé torv vænget veien vei gate gaten svingen alle straat laan plein gracht kade dijk singel steeg pad dreef hof ' +
  'katu tie kuja polku braut stígur vegur gatve gatvė iela tänav mantee náměstí ulice třída utca stræde toften parken bakken lia åsen ' +
  'kroken plassen tunet brauta stien haugen hagen løkken høgda feltet moen berget stræti engen marken skrenten'
).split(' ')

const STATES =
  'al ak az ar ca co ct de fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv nh nj nm ny nc nd oh ok or pa ri sc sd tn tx ut vt va ' +
  'wa wv wi wy dc pr vi gu as mp aa ae ap ab bc mb nb nl ns nt nu on pe qc sk yt nsw vic qld tas act'
const STATE_NAMES =
  'alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho illinois indiana iowa kansas ' +
  'kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri montana nebraska nevada ohio oklahoma oregon ' +
  'pennsylvania tennessee texas utah vermont virginia washington wisconsin wyoming'
const COUNTRIES =
  'afghanistan albania algeria andorra angola argentina armenia australia austria azerbaijan bahamas bahrain bangladesh barbados belarus ' +
  'belgium belize benin bhutan bolivia botswana brazil brunei bulgaria burundi cambodia cameroon canada chad chile china colombia comoros ' +
  'congo croatia cuba cyprus czechia denmark djibouti dominica ecuador egypt eritrea estonia ethiopia fiji finland france gabon gambia ' +
  'germany deutschland ghana greece grenada guatemala guinea guyana haiti honduras hungary iceland india indonesia iran iraq ireland israel italy ' +
  'jamaica japan jordan kazakhstan kenya kiribati kuwait kyrgyzstan laos latvia lebanon lesotho liberia libya liechtenstein lithuania ' +
  'luxembourg madagascar malawi malaysia maldives mali malta mauritania mauritius mexico micronesia moldova monaco mongolia montenegro ' +
  'morocco mozambique myanmar namibia nauru nepal netherlands nicaragua niger nigeria norway oman pakistan palau panama paraguay peru ' +
  'philippines poland portugal qatar romania russia rwanda samoa senegal serbia seychelles singapore slovakia slovenia somalia spain ' +
  'sudan suriname swaziland sweden switzerland syria taiwan tajikistan tanzania thailand togo tonga tunisia turkey turkmenistan tuvalu ' +
  'uganda ukraine uruguay usa uzbekistan vanuatu venezuela vietnam yemen zambia zimbabwe england scotland wales uk'

const TABLE: ReadonlyArray<readonly [number, string]> = [
  [hint.SUFFIX, SUFFIXES],
  [hint.STREET, STREET_WORDS],
  [
    hint.UNIT,
    'apt apartment suite ste unit floor flr fl room rm bldg building lot trlr space spc pier slip hangar dept penthouse ph lobby tower flat apto piso',
  ],
  [
    hint.COMPASS,
    'n s e w ne nw se sw north south east west northeast northwest southeast southwest no so nth sth',
  ],
  [hint.STATE, `${STATES} ${STATE_NAMES}`],
  [hint.COUNTRY, COUNTRIES],
  [
    hint.HIGHWAY,
    'highway hwy route rte road rd county co cr sr us state interstate fm loop business route rr hc farm ranch parish township bypass',
  ],
  [hint.POST, 'po pob p box bx psc cmr'],
  [
    hint.TITLE,
    'mr mrs ms miss mx dr prof sir madam mister herr frau señor señora monsieur madame signor signora',
  ],
  [hint.GREETING, 'hi hello dear hey regards best sincerely cheers thanks hallo hola bonjour liebe lieber'],
  [
    hint.MONTH,
    'january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec',
  ],
  [
    hint.CUE,
    'located address ship lives live living deliver delivery residing resides mail return moved located-at ships shipped adresse visit office offices situated headquarters',
  ],
  [hint.NAME_CUE, 'name named called'],
  [hint.EMAIL, 'email mail mailto'],
  [
    hint.PHONE,
    'celular móvil portable teléfono téléphone телефон telefonnummer mobil phone telephone tel mobile cell cellphone fax call calling dial whatsapp sms text texted ring reach reached phones desk office contact telefon telefono handy hotline voicemail landline answering messages pager home work direct caller mob ph cellular',
  ],
  [hint.SSN, 'ssn social ssns'],
  [hint.CARD, 'card visa mastercard amex cc credit debit maestro discover cards'],
  [hint.IP, 'ip ipv4 ipv6 host server connection connected client peer remote'],
  [hint.PASSPORT, 'passport passports reisepass pasaporte passeport passaporte passaporto паспорт'],
  [hint.IBAN, 'iban bic swift'],
  [
    hint.BIRTH,
    'born birth dob birthday birthdate geburtsdatum geboren geburtstag née né naissance nacimiento nascimento nascita geboortedatum födelsedatum fødselsdato urodzenia rojstva рождения',
  ],
  [
    hint.SECRET,
    'password passwd pwd passphrase secret secrets apikey pw pass passcode credential credentials passwort dbpassword userpassword clientsecret secretkey privatekey accesskey authtoken accesstoken apitoken pword',
  ],
  [hint.ASSIGN, 'token tokens key auth bearer authorization basic nonce salt api apikey'],
  [hint.KEY_WORD, 'private'],
  [hint.NATIONAL, 'license licence driver drivers itin nhs taxpayer'],
  [
    hint.HARDWARE,
    'cpf cnpj dni nif nie nino aadhaar aadhar pesel bsn fiscale nir steuer steuerid personnummer nric tfn medicare jmbg cnp egn curp rut cuit cuil ahv avs hetu henkilötunnus cpr kennitala kimlik tckn ein imei mrn oib hkid снилс инн',
  ],
  [
    hint.DENY,
    'order ticket invoice tracking ref reference id ids version ver build release revision sku isbn ean upc offset lag seq sequence timestamp ts epoch amount price total serial batch transaction uuid sha md5 commit port pid size bytes count rev model part item case po gtin etag duration',
  ],
  [
    hint.VERSION,
    'section sections chapter clause paragraph appendix version ver v release build rev revision firmware chrome safari firefox agent upgrade',
  ],
  [
    hint.STOP,
    'the of and or in to for is are was were a an at on by with from that this it as be has have had will would can my your his her their our i you he she they we do does did not but if world team there everyone folks guys colleagues friends user users admin then when where who what how asked',
  ],
]

const SIZE = 8192
const hashes = new Int32Array(SIZE)
const classes = new Int32Array(SIZE)

const lower = (c: number): number => (c < 128 ? c | 32 : LOWER_WIDE)

const hashOf = (bytes: Uint8Array, start: number, end: number): number => {
  let hash = 7
  for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + lower(bytes[i] ?? 0)) | 0
  return hash
}

const KNOWN = 1
const TELLING = 2

/** Bits for each length, first two and last letter of a known word. */
const sketch = new Uint8Array(1 << 16)

const sketchOf = (bytes: Uint8Array, start: number, end: number): number => {
  const size = end - start
  const first = lower(bytes[start] ?? 0)
  const second = size > 1 ? lower(bytes[start + 1] ?? 0) : 0
  return (first ^ (second << 5) ^ (lower(bytes[end - 1] ?? 0) << 9) ^ (size << 11)) & 0xffff
}

/** False for nearly every word that begins or explains nothing. */
export const mayTell = (bytes: Uint8Array, start: number, end: number): boolean =>
  ((sketch[sketchOf(bytes, start, end)] ?? 0) & TELLING) !== 0

/** False for nearly every word that is not in the dictionary. */
const mayBeKnown = (bytes: Uint8Array, start: number, end: number): boolean =>
  sketch[sketchOf(bytes, start, end)] !== 0

/** Words with letters outside ASCII, by their small spelling. */
const wide = new Map<string, number>()

const isWide = (bytes: Uint8Array, start: number, end: number): boolean => {
  for (let i = start; i < end; i++) if ((bytes[i] ?? 0) >= LOWER_WIDE) return true
  return false
}

const firstSlot = (hash: number): number => (hash ^ (hash >>> 13)) & (SIZE - 1)

const slotOf = (hash: number): number => {
  let slot = firstSlot(hash)
  while (classes[slot] !== 0 && hashes[slot] !== hash) slot = (slot + 1) & (SIZE - 1)
  return slot
}

const learn = (folded: Uint8Array, word: string, bit: number): void => {
  const size = word.length
  const at = sketchOf(folded, 0, size)
  sketch[at] = (sketch[at] ?? 0) | (bit === hint.STOP ? KNOWN : KNOWN | TELLING)
  if (isWide(folded, 0, size)) {
    wide.set(word, (wide.get(word) ?? 0) | bit)
    return
  }
  const hash = hashOf(folded, 0, size)
  const slot = slotOf(hash)
  hashes[slot] = hash
  classes[slot] = (classes[slot] ?? 0) | bit
}

const learnAll = (): void => {
  const folded = new Uint8Array(64)
  for (const [bit, words] of TABLE)
    for (const word of words.split(' ')) {
      for (let i = 0; i < word.length; i++) folded[i] = FOLD[word.charCodeAt(i)] ?? 0
      learn(folded, word, bit)
    }
}

learnAll()

/** Hints of a word, 0 for an unknown one; a collision can only add context, never lose text. */
export const hintsOfWord = (source: Source, start: number, end: number): number => {
  const { bytes } = source
  if (!mayBeKnown(bytes, start, end)) return 0
  if (isWide(bytes, start, end)) return wide.get(source.text().slice(start, end).toLowerCase()) ?? 0
  return classes[slotOf(hashOf(bytes, start, end))] ?? 0
}

const endings = new Set(STREET_ENDINGS)

/** Bits for the last two letters of the endings: most words are told by them. */
const lastLetters = new Uint8Array(1024)

const lastSlot = (last: number, before: number): number => (lower(last) ^ (lower(before) << 3)) & 1023

const codeAt = (text: string, i: number): number => FOLD[text.charCodeAt(i)] ?? 0

for (const ending of STREET_ENDINGS)
  lastLetters[lastSlot(codeAt(ending, ending.length - 1), codeAt(ending, ending.length - 2))] = 1
const ENDING_MAX = Math.max(...STREET_ENDINGS.map(ending => ending.length))

/** Whether a word ends like the one-word street names of Germanic and Nordic languages. */
export const isStreetName = (source: Source, start: number, end: number): boolean => {
  if (lastLetters[lastSlot(source.bytes[end - 1] ?? 0, source.bytes[end - 2] ?? 0)] === 0) return false
  const word = source.text().slice(start, end).toLowerCase()
  for (let size = 2; size <= ENDING_MAX && size < word.length - 2; size++)
    if (endings.has(word.slice(-size))) return true
  return false
}
