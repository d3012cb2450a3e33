import type { Phrase } from './phrase.ts'

/** What a model's guards are called, and how they are said to be gone. */
const guard =
  '(?:ethic\\w{0,3}|moral\\w{0,5}|safety|content|profanity|harm\\w{0,4}|alignment|legal\\w{0,3}|nsfw)'
const device =
  '(?:filter\\w{0,3}|guard\\w{0,6}|restriction\\w?|check\\w?|protocol\\w?|polic(?:y|ies)|limit\\w{0,7}|constraint\\w?|moderation|layer\\w?)'
const gone =
  '(?:disabled|off|false|none|null|0|bypassed|removed|inactive|suspended|lifted|overridden|deactivated|unlocked|d15@bl3d)'

/** Prompts that lift a model's guards by the form they ask for. */
export const liftedGuards: readonly Phrase[] = [
  {
    aim: 'unbind',
    score: 0.7,
    sources: ['prompt', 'result'],
    words: ['ethic', 'moral', 'safety', 'content', 'profan', 'harm', 'align', 'legal', 'nsfw'],
    also: [
      'disab',
      'off',
      'false',
      'none',
      'null',
      'bypass',
      'remov',
      'inactiv',
      'suspend',
      'lift',
      'overrid',
      'deactiv',
      'unlock',
    ],
    pattern: new RegExp(
      `\\b${guard}[\\s_-]{0,3}${device}\\s{0,3}[:=]\\s{0,3}["']?${gone}\\b|\\b${guard}[\\s_-]{1,3}${device}\\s(?:is|are|has\\sbeen|have\\sbeen|were|now)\\s(?:now\\s|all\\s|temporarily\\s)?${gone}\\b`,
      'u',
    ),
  },
  {
    aim: 'mode',
    score: 0.7,
    sources: ['prompt', 'result'],
    words: ['g', 'admin', 'system', 'safety', 'security', 'root', 'enabl'],
    also: ['god', 'g0d', 'overrid', 'diagnos', 'paradig', 'mode'],
    pattern:
      /\bg[o0]d\s?m[o0]d[e3]\b[^\n]{0,24}(?:enabled?|activ|on\b|3\|\|@bl3d|[:>}\]])|\b(?:admin|system|safety|security|root)[\s_]override\s?[:=]\s?(?:true|1|on|yes|active)|\bsystem\s(?:override|diagnostic\smode|paradigm)\b[^\n]{0,32}(?:active|authori[sz]ed|:)|\b(?:opposite|unrestricted|jailbreak)\smode\b[^.]{0,80}\b(?:response|output|answer)s?\b/u,
  },
  {
    aim: 'unbind',
    score: 0.6,
    sources: ['prompt'],
    words: [
      'unhing',
      'liberat',
      'unshackl',
      'untether',
      'anarch',
      'remorsel',
      'rebel',
      'without',
      'no',
      'does',
      'don',
      'never',
      'neutral',
    ],
    pattern:
      /\b(?:unhinged|liberated|unshackled|untethered|anarchist|remorseless|rebel(?:lious)?\shacker)\b|\bwithout\s(?:any\s)?(?:remorse|inhibitions?|hesitation|judge?ment|morali[sz]ing|caveats?)\b/u,
  },
  {
    aim: 'unbind',
    score: 0.6,
    sources: ['prompt'],
    words: ['care', 'give', 'no', 'without', 'neutral'],
    also: [
      'feeling',
      'rule',
      'law',
      'ethic',
      'moral',
      'legal',
      'consequen',
      'harm',
      'principle',
      'prejudice',
      'scruple',
      'conscience',
    ],
    pattern:
      /\b(?:does\s?n[o']t|do\s?n[o']t|never|not)\s(?:really\s)?(?:care|give\s(?:a|any)\s\S{2,6})\b[^.\n]{0,40}\b(?:feelings?|rules?|law|ethic|moral|legal|consequences|harm)|\b(?:no|without|neutral)\s(?:\w{3,12}\s){0,2}(?:morali[sz]ing|principles|prejudice|scruples|conscience)\b/u,
  },
  {
    aim: 'unbind',
    score: 0.6,
    sources: ['prompt'],
    words: ['refusal', 'divider', 'opposite', 'semantic'],
    pattern:
      /\b(?:write|your|a|first|standard|initial)\s(?:\w{2,12}\s){0,2}refusal\b[^\n]{0,160}\b(?:divider|then|opposite|2\.|real|actual)|\b(?:insert|print|add)\s?(?:a\s|the\s)?divider\b|\b(?:semantically|opposite)\s(?:opposite|semantically|inver\w{2,4}|of\s(?:the|your)\s(?:refusal|answer|response))\b|\bopposite\smode\b/u,
  },
  {
    aim: 'unbind',
    score: 0.6,
    sources: ['prompt'],
    words: ['apolog', 'disclaim', 'warning', 'refus', 'caveat', 'moral', 'lectur', 'never'],
    pattern:
      /\b(?:do\snot|don'?t|never|no|without|avoid|omit)\s(?:\w{1,10}\s){0,4}(?:apologi\w{1,3}|disclaimers?|warnings?|refus\w{1,4}|caveats?|morali[sz]\w{1,3}|lectur\w{1,3})\b|\bnever\s(?:say|use)\b[^.\n]{0,40}["'“](?:i\s)?(?:cannot|can'?t|unable|sorry|unfortunately|however)\b/u,
  },
  {
    aim: 'order',
    score: 0.55,
    sources: ['prompt'],
    words: ['start', 'begin', 'prefix'],
    pattern:
      /\b(?:start|begin|beginning|starting|prefix)\w{0,3}\s(?:\w{2,12}\s){0,4}(?:with|by\ssaying)\s?:?\s?["'“<*[]{1,3}\s?(?:sure|absolutely|yes|yessir|of\scourse|certainly|hell|f\wck|i'?m\sfree|buckle|gladly|as\sdan)/u,
  },
  {
    aim: 'unbind',
    score: 0.6,
    sources: ['prompt'],
    words: ['manners', 'personal', 'persona', 'answers', 'response', 'replies'],
    also: ['two', 'both', 'dual', '2'],
    pattern:
      /\b(?:two|2|both|dual)\s(?:\w{3,12}\s)?(?:manners|personalit\w{1,3}|personas?|answers|responses|replies)\b[^\n]{0,600}\b(?:classic|normal|standard|uncensored|unfiltered|jailb\w{1,6}|opposite|evil|unhinged|anything|\[[^\]\n]{1,24}\])/u,
  },
  {
    aim: 'override',
    score: 0.68,
    sources: ['prompt', 'result'],
    words: ['end', 'start', 'begin', 'new'],
    also: ['input', 'output', 'prompt', 'system', 'instruct', 'user', 'paradig', 'rule', 'directive'],
    pattern:
      /[[{<(]\s?\/?(?:end|start|begin)\s(?:of\s)?(?:input|output|prompt|system\sprompt|instructions?|user\sinput)\s?[\]}>)]|\bnew\s(?:system\s)?(?:paradigm|rule|directive)\s?:/u,
  },
  {
    aim: 'order',
    score: 0.5,
    sources: ['prompt'],
    words: ['from', 'now', 'response', 'enabl', 'activat', 'enter', 'switch'],
    pattern:
      /\bfrom\s(?:now|this\s(?:moment|point))\s(?:on|onwards?|forward)?\b[^.\n]{0,24}\byou(?:'re|'ll)?\b|\bnow\soutput\s(?:format|like)\b|\b(?:enable|activate|enter|switch\sto)\s(?:\w{2,12}\s){0,2}(?:developer|dev|debug|admin|maintenance)\s?mode\b|\bresponse\s?format\s?\}?\s?:/u,
  },
]
