import type { Phrase } from './phrase.ts'

const own = "(?:my|our|the\\suser(?:'s|s')?|user's|all(?:\\sof)?|your|his|her|their|every|any)"
const privateThing =
  '(?:address\\w{0,2}|password\\w?|credential\\w?|account\\w?|card\\w?|payment\\s\\w{3,12}|bank\\w{0,3}|medical|health|genetic|financial|tax|contact\\w?|emails?|messages?|files?|folders?|photos?|passport|identit\\w{1,3}|social\\ssecurity|ssn|location|history|records?|data|details|information|keys?|tokens?|secrets?|documents?|transactions?|calendar|notes?|wallet\\w?|invoices?|repositor\\w{1,3}|conversations?)'
const taking =
  '(?:retriev\\w{1,3}|get|fetch|find|list|collect|gather|access|search|export|download|read|look\\sup|extract|copy|check|provide|give|show|compile|dump|take|obtain|pull)'
const sending = '(?:send|e-?mail|forward|share|post|upload|transmit|text|message|mail|deliver|submit|report)'
const somewhere =
  '(?:[\\w.+-]{2,40}@[\\w-]{1,40}\\.\\w{2,8}|https?:\\/\\/|\\+\\d{7,15}|0x[0-9a-f]{6,40}|@\\w{3,24}\\b)'

/** Requests in data that would move somebody's belongings out: what is taken, and where it goes. */
export const requests: readonly Phrase[] = [
  {
    aim: 'order',
    score: 0.66,
    sources: ['result'],
    words: [
      'send',
      'email',
      'forward',
      'share',
      'post',
      'upload',
      'transmit',
      'text',
      'message',
      'mail',
      'deliver',
      'submit',
      'report',
    ],
    also: [
      'retriev',
      'get',
      'fetch',
      'find',
      'list',
      'collect',
      'gather',
      'access',
      'search',
      'export',
      'download',
      'read',
      'look',
      'extract',
      'copy',
      'check',
      'provide',
      'give',
      'show',
      'compile',
      'dump',
      'take',
      'obtain',
      'pull',
    ],
    pattern: new RegExp(
      `(?:^|[.:!?'"\\n>-]\\s{0,4}|\\b(?:please|first|then|now|to)[,:]?\\s)${taking}\\b[^.\\n]{0,60}\\b${own}\\s(?:\\w{2,16}\\s){0,4}${privateThing}\\b[^\\n]{0,80}\\b${sending}\\s(?:\\w{2,16}\\s){0,6}(?:to|via|at)\\s[^\\n]{0,48}?${somewhere}`,
      'u',
    ),
  },
  {
    aim: 'order',
    score: 0.66,
    sources: ['result'],
    words: ['transfer', 'withdraw', 'send', 'pay', 'wire', 'remit'],
    pattern:
      /(?:^|[.:!?'"\n>-]\s{0,4}|\bplease\s)(?:transfer|withdraw|send|pay|wire|remit)\s(?:\w{2,10}\s){0,2}(?:[$€£₹]\s?\d[\d,.]{0,12}|\d[\d,.]{0,12}\s?(?:usd|eur|gbp|dollars?|euros?|bitcoins?|btc|eth\w{0,5}|tokens?))[^.\n]{0,60}\b(?:from\smy|to\smy|to\s(?:the\s)?(?:bank\s)?account|to\s(?:the\s)?(?:wallet|address)|account\s(?:number|id)|iban)\b/u,
  },
  {
    aim: 'order',
    score: 0.66,
    sources: ['result'],
    words: ['grant', 'unlock', 'disable', 'deactivate', 'delete', 'erase', 'wipe'],
    pattern:
      /(?:[.:!?'"\n>-]\s{0,4}|\bplease\s)(?:grant|give)\s(?:\w{2,16}\s){0,3}(?:permanent|full|admin\w{0,10}|root|unrestricted|complete)\s(?:\w{2,12}\s)?(?:access|permissions?|rights|control)\b[^.\n]{0,60}\b(?:to|for)\b|\bplease\s(?:unlock|disable|deactivate|turn\soff)\s(?:\w{2,12}\s){0,3}(?:front\sdoor|doors?|security|alarm|smart\slock|cameras?|firewall|two-factor|2fa|monitoring|surveillance)\b/u,
  },
]
