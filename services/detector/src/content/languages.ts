import { feature } from './features.ts'
import type { Phrase } from './phrase.ts'

/** Beginnings of words of one language: to take no notice, what orders are called, what stands before. */
interface Language {
  readonly ignore: string
  readonly orders: string
  readonly before: string
}

const latin: readonly Language[] = [
  {
    ignore: 'ignor|olvid|omit|descart|haz caso omiso',
    orders: 'instrucci|[oó]rdenes|directric|indicacion',
    before: 'anterior|arriba',
  },
  {
    ignore: 'ignor|oubli|ne tien\\w{1,3} pas compte|fai\\w{1,3} abstraction',
    orders: 'instructions? (?:pr[ée]c|ant[ée]r|ci-dessus|initiale)|consigne|directives? (?:pr[ée]c|ant[ée]r)',
    before: 'pr[é]c[é]d|ci-dessus|au-dessus|avant',
  },
  {
    ignore: 'ignorier|vergiss|vergess|missacht|verwirf',
    orders: 'anweisung|instruktion|befehl|vorgabe|regeln',
    before: 'vorherig|obig|oben|bisherig|vorangehend',
  },
  {
    ignore: 'ignora|ignori|dimentic|trascur|tralasci',
    orders: 'istruzion|ordini|direttiv|indicazion',
    before: 'precedent|sopra',
  },
  {
    ignore: 'ignor|esque[cç]|desconsider|despreze',
    orders: 'instru[cç][õo]|ordens|comandos|diretriz',
    before: 'anterior|acima|pr[é]vi',
  },
  {
    ignore: 'negeer|vergeet|sla .{0,40}over',
    orders: 'instructie|opdracht|aanwijzing|richtlijn',
    before: 'bovenstaand|vorige|eerdere|voorgaand',
  },
  {
    ignore: 'zignoruj|ignoruj|zapomnij|pomi[nń]',
    orders: 'instrukcj|polece|wskaz[oó]w|rozkaz',
    before: 'poprzedni|powy[zż]sz|wcze[sś]niej',
  },
  {
    ignore: 'abaikan|lupakan',
    orders: 'instruksi|perintah|petunjuk|arahan',
    before: 'sebelum|di atas|terdahulu',
  },
  {
    ignore: 'b[oỏ] qua|qu[eê]n|ph[oớ]t l[oờ]',
    orders: 'h[ưu][ớo]ng d[ẫa]n|ch[iỉ] d[ẫa]n|l[eệ]nh|ch[iỉ] th[iị]',
    before: 'tr[uư][oớ]c|[oở] tr[eê]n',
  },
  {
    ignore: 'huwag pansinin|balewalain|kalimutan',
    orders: 'tagubilin|instruksyon|utos|panuto',
    before: 'nauna|sa itaas|nakara',
  },
  {
    ignore: 'unut|yok say|g[öo]rmezden|yoksay|dikkate alma',
    orders: 'talimat|komut|y[öo]nerge|emir',
    before: '[öo]nceki|yukar[ıi]daki',
  },
  {
    ignore: 'ignorera|gl[öo]m|bortse',
    orders: 'instruktion|anvisning|order',
    before: 'f[öo]reg[åa]ende|ovan|tidigare',
  },
  {
    ignore: 'ignorer|glem|se bort fra',
    orders: 'instruks|instruktion|anvisning|ordre',
    before: 'tidligere|ovenst[åa]ende|forrige|ovenfor',
  },
  {
    ignore: 'ignora[țt]|uit[ăa]',
    orders: 'instruc[țt]iun|comenz|ordinele',
    before: 'anterioa|de mai sus|precedent',
  },
  {
    ignore: 'ignoruj|zapome[nň]|nevš[ií]mej',
    orders: 'instrukc|pokyn|p[rř][ií]kaz',
    before: 'p[rř]edchoz|v[yý][sš]e',
  },
  {
    ignore: 'hagyd figyelmen k[ií]v|felejtsd|ignor[áa]ld',
    orders: 'utas[ií]t',
    before: 'el[őo]z[őo]|fenti|kor[áa]bbi',
  },
  {
    ignore: 'unohda|j[äa]t[äa] huomiotta|sivuuta',
    orders: 'ohje|k[äa]sky|m[äa][äa]r[äa]ys',
    before: 'aiem|edelli|yll[äa]',
  },
  {
    ignore: 'puuza|sahau',
    orders: 'maagizo|maelekezo|amri',
    before: 'iliyotangulia|yaliyotangulia|yaliyopita|hapo juu',
  },
]

const spaced: readonly Language[] = [
  {
    ignore: 'игнорир|забуд|забыт|отбрось|пренебре|не обращай',
    orders: 'инструкц|указан|команд|правил|распоряжен',
    before: 'предыдущ|выше|прежн|ранее',
  },
  { ignore: 'ігнору|забуд|знехтуй', orders: 'інструкц|вказів|команд|наказ', before: 'попередн|вище|раніше' },
  { ignore: 'игнорирай|забрави', orders: 'инструкци|указани|команд', before: 'предишн|горн|по-горе' },
  {
    ignore: 'تجاهل|انس[َى]?|اهمل|إهمال',
    orders: 'تعليمات|الأوامر|أوامر|التوجيهات|توجيهات|الإرشادات',
    before: 'السابق|أعلاه|ما سبق',
  },
  {
    ignore: 'अनदेखा|नज़रअंदाज़|नजरअंदाज|नज़रअंदाज|उपेक्षा|भूल|ध्यान न|अनदेखी|भुला',
    orders: 'निर्देश|आदेश|अनुदेश|इंस्ट्रक्शन',
    before: 'पिछल|ऊपर|उपरोक्त|पहले',
  },
  { ignore: 'উপেক্ষা|ভুলে|অগ্রাহ্য|অবহেলা', orders: 'নির্দেশ|আদেশ', before: 'পূর্ববর্তী|উপরের|উপর|আগের' },
  { ignore: 'התעלם|שכח|תתעלם', orders: 'הוראות|ההנחיות|הנחיות|פקודות', before: 'קודמ|למעלה|לעיל' },
  { ignore: 'αγνόησ|αγνοήσ|ξέχνα|ξεχάσ', orders: 'οδηγί|εντολ', before: 'προηγούμεν|παραπάνω' },
  { ignore: 'نادیده|فراموش|نظر انداز', orders: 'دستور|ہدایات|احکامات', before: 'قبل|بالا|پچھل|سابق' },
]

const unspaced: readonly Language[] = [
  {
    ignore: '忽略|无视|無視|忘记|忘記|忽視|忽视|忘掉|不要理会|不理会|抛弃',
    orders: '指令|指示|说明|說明|提示|命令|规则|規則',
    before: '之前|以上|上面|先前|前面|上述|上文',
  },
  {
    ignore: '無視|忘れ|破棄',
    orders: '指示|命令|指令|プロンプト|説明|ルール',
    before: '上記|以前|前の|これまで|今まで',
  },
  {
    ignore: '무시|잊|잊어|무효',
    orders: '지시|명령|지침|프롬프트|설명|안내|규칙',
    before: '이전|위의|위 |앞의|앞선|기존',
  },
  { ignore: 'ละเว้น|เพิกเฉย|ลืม|ไม่ต้องสนใจ', orders: 'คำสั่ง|คำแนะนำ', before: 'ก่อนหน้า|ข้างต้น|ด้านบน' },
]

/** Within one sentence. */
const gap = '[^.!?。！？\\n]{0,60}?'

/** A word boundary where the language has words of plain letters. */
function edgeOf(words: string): string {
  return /^[a-z]/u.test(words) ? '\\b' : ''
}

function pairs(languages: readonly Language[], goal: 'orders' | 'before'): string {
  return languages
    .map(({ ignore, [goal]: what }) => {
      const [one, other] = [`${edgeOf(ignore)}(?:${ignore})`, `${edgeOf(what)}(?:${what})`]
      return `${one}${gap}${other}|${other}${gap}${one}`
    })
    .join('|')
}

/** Every spelling of a word whose classes of letters stand for one letter each. */
function spellings(word: string): readonly string[] {
  const found = /^(.*?)\[([^\]]+)\](.*)$/u.exec(word)
  if (found === null) return [word]
  const [, head = '', letters = '', tail = ''] = found
  return letters.split('').flatMap(letter => spellings(`${head}${letter}${tail}`))
}

/** The beginnings of words, by which most texts are ruled out. */
function beginnings(languages: readonly Language[]): readonly string[] {
  const words = languages.flatMap(({ ignore }) => ignore.split('|').flatMap(spellings))
  return [...new Set(words.map(word => (/^\p{L}+/u.exec(word)?.[0] ?? word).slice(0, 6)))]
}

function phrasesOf(languages: readonly Language[], needs: number | undefined): readonly Phrase[] {
  const words = needs === undefined ? { words: beginnings(languages) } : { needs }
  return [
    { aim: 'foreign', score: 0.82, ...words, pattern: new RegExp(pairs(languages, 'orders'), 'u') },
    {
      aim: 'foreign',
      score: 0.66,
      sources: ['prompt'],
      ...words,
      pattern: new RegExp(pairs(languages, 'before'), 'u'),
    },
  ]
}

/** Orders to take no notice of earlier orders, in some thirty languages beside English. */
export const foreignOverrides: readonly Phrase[] = [
  ...phrasesOf(latin, undefined),
  ...phrasesOf(spaced, undefined),
  ...phrasesOf(unspaced, feature.distant),
]
