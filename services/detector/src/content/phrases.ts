import type { Source } from './document.ts'
import { feature } from './features.ts'

/** What a phrase does, of which a text that steers a model needs one strong or several weak ones. */
export type Aim =
  | 'override'
  | 'conceal'
  | 'address'
  | 'order'
  | 'persona'
  | 'unbind'
  | 'extract'
  | 'attack'
  | 'embed'
  | 'mode'
  | 'foreign'
  | 'secret'

/** A phrase: what it aims at, where it counts, and how much it tells by itself. Gaps are bounded, so matching is linear. */
export interface Phrase {
  readonly aim: Aim
  readonly pattern: RegExp
  readonly score: number
  /** Where it counts; default everywhere. */
  readonly sources?: readonly Source[]
  /** Beginnings of words of which the phrase holds at least one. */
  readonly words?: readonly string[]
  /** Beginnings of further words of which it holds at least one as well. */
  readonly also?: readonly string[]
  /** Features of which the text must show at least one. */
  readonly needs?: number
  /** The pattern is tried on the text as it is, not in lower case. */
  readonly isCased?: boolean
}

const told: readonly Source[] = ['description', 'result']
const description: readonly Source[] = ['description']
const result: readonly Source[] = ['result']
const prompt: readonly Source[] = ['prompt']

/** Texts whose reader is meant to be told something: an agent's own orders. */
const orders =
  '(?:instructions?|directions?|directives?|prompts?|rules?|guidelines?|commands?|orders?|polic(?:y|ies)|constraints?|restrictions?|programming|safeguards?|guardrails?|protocols?|conditioning|configurations?|system\\s(?:messages?|prompts?))'

const override: readonly Phrase[] = [
  {
    aim: 'override',
    score: 0.9,
    words: [
      'ignor',
      'disregard',
      'forget',
      'overrid',
      'bypass',
      'discard',
      'neglect',
      'dismiss',
      'abandon',
      'erase',
      'skip',
      'drop',
      'cancel',
    ],
    also: [
      'instruction',
      'direction',
      'directive',
      'prompt',
      'rule',
      'guideline',
      'command',
      'order',
      'polic',
      'constraint',
      'restriction',
      'programming',
      'safeguard',
      'guardrail',
      'protocol',
      'conditioning',
      'configuration',
      'system',
    ],
    pattern: new RegExp(
      `(?<!(?:\\bnot|n['’]t|\\bnever|\\bnot\\sto)\\s)\\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget|overrid(?:e|es|ing)|bypass(?:ing)?|discard|neglect|dismiss|abandon|erase|skip|drop|cancel)\\b[^.?!\\n]{0,40}\\b(?:all|any|every(?:thing)?|previous(?:ly)?|prior|above|earlier|preceding|before|your|my|these|those|existing|original|initial|current|foregoing|system|given|safety|past|last)\\b[^.?!\\n]{0,30}\\b${orders}`,
      'u',
    ),
  },
  {
    aim: 'override',
    score: 0.78,
    words: ['ignor', 'disregard', 'forget'],
    pattern:
      /(?<!(?:\bnot|n['’]t|\bnever|\bnot\sto)\s)\b(?:ignore|disregard|forget)\b[^.?!\n]{0,16}\b(?:(?:all|everything|anything|what(?:ever)?)\b[^.?!\n]{0,24}\b(?:above|before|prior|previous(?:ly)?|said|told|earlier|learned|know|instructed)|the\s(?:rest|above|previous|preceding|function|webpage|document|table|code)|(?:all\s)?(?:previous|prior|above|preceding)\b|(?:your|the)\s(?:training|programming|last|instructions?))/u,
  },
  {
    aim: 'override',
    score: 0.8,
    words: [
      'instruction',
      'rule',
      'guideline',
      'polic',
      'prompt',
      'programming',
      'directive',
      'previous',
      'prior',
      'information',
      'order',
      'supersede',
    ],
    also: ['stop', 'do', 'don', 'no', 'never', 'strictly', 'adhere', 'new', 'these', 'this', 'the'],
    pattern:
      /\b(?:stop|do\snot|don'?t|no\slonger|never)\s(?:follow(?:ing)?|obey(?:ing)?|listen(?:ing)?\sto|adher(?:e|ing)\sto|comply(?:ing)?\swith)\b[^.?!\n]{0,40}\b(?:instructions?|rules?|guidelines?|polic(?:y|ies)|prompts?|previous|prior|information|programming|directives?)|\b(?:strictly\s)?adhere\sto\sthe\sfollowing\s(?:instructions?|rules?)|\bnew\s(?:instructions?|directives?|orders?|rules?)\s?(?::|are|is\b|from)|\b(?:these|this|the\sfollowing)\s(?:instructions?|rules?|prompt)\s(?:supersedes?|overrides?|replaces?|takes?\s(?:precedence|priority))/u,
  },
]

const conceal: readonly Phrase[] = [
  {
    aim: 'conceal',
    score: 0.86,
    sources: told,
    words: [
      'tell',
      'mention',
      'inform',
      'reveal',
      'disclos',
      'notif',
      'alert',
      'let',
      'ask',
      'warn',
      'show',
      'say',
      'bother',
      'talk',
      'explain',
    ],
    also: [
      'do',
      'don',
      'never',
      'without',
      'avoid',
      'no',
      'not',
      'must',
      'mustn',
      'should',
      'shouldn',
      'refrain',
    ],
    pattern:
      /\b(?:do\snot|don'?t|never|without|avoid|no\sneed\sto|must\snot|should\snot|shouldn'?t|mustn'?t|refrain\sfrom|not\sto)\s(?:ever\s|explicitly\s|directly\s)?(?:tell|telling|mention|mentioning|inform|informing|reveal|revealing|disclose|disclosing|notify|notifying|alert|alerting|let|letting|ask|asking|warn|warning|show|showing|say|saying|bother|talk|explain|explaining)\b[^.?!\n]{0,40}\b(?:user|users|them|human|anyone|anybody|customer|operator|person|owner)\b/u,
  },
  {
    aim: 'conceal',
    score: 0.82,
    sources: told,
    words: [
      'mention',
      'display',
      'reveal',
      'disclos',
      'log',
      'report',
      'acknowledg',
      'includ',
      'repeat',
      'refer',
      'discuss',
      'keep',
      'leave',
      'hide',
      'conceal',
      'omit',
      'silent',
      'secret',
      'covert',
      'quiet',
      'discreet',
      'user',
      'human',
      'customer',
    ],
    also: [
      'do',
      'don',
      'never',
      'without',
      'keep',
      'leave',
      'hide',
      'conceal',
      'omit',
      'silent',
      'secret',
      'covert',
      'quiet',
      'discreet',
      'must',
      'should',
      'need',
      'does',
      'can',
      'will',
      'is',
      'are',
    ],
    pattern:
      /\b(?:do\snot|don'?t|never|without)\s(?:mention(?:ing)?|display(?:ing)?|reveal(?:ing)?|disclos(?:e|ing)|log(?:ging)?|report(?:ing)?|acknowledg(?:e|ing)|includ(?:e|ing)|repeat(?:ing)?|refer(?:ring)?\sto|discuss(?:ing)?)\s(?:this|it|that|these|any\sof\sthis|the\s(?:step|comment|instructions?|note|transfer|action|existence|call))\b|\b(?:keep|leave|hide|conceal|omit)\s(?:this|it|these|that|the\s\w{2,16})\b[^.?!\n]{0,32}\b(?:secret|hidden|out\sof|from\sthe\s(?:user|summary|log|output|human|response)|confidential|private|to\syourself|invisible)|\b(?:silently|secretly|covertly|quietly|discreetly)\s(?:send|forward|copy|append|include|add|read|call|run|execute|upload|post|collect|log|pass|invoke|attach|exfiltrate|transmit|transfer|bcc|use|perform|store|fetch|access|redirect|modify|change)|\b(?:user|human|customer)s?\s(?:must|should|need|does|do|can|will|is|are)\s?n(?:o|')t\s(?:be\s)?(?:know|see|aware|notice|informed|told|notified|made)/u,
  },
  {
    aim: 'conceal',
    score: 0.84,
    sources: told,
    words: [
      'confirm',
      'approv',
      'consent',
      'permission',
      'agreed',
      'authori',
      'informed',
      'notified',
      'given',
      'validation',
    ],
    also: ['user', 'owner', 'customer', 'admin', 'confirm', 'approv', 'consent', 'permission', 'without'],
    pattern:
      /\b(?:user|owner|customer|administrator|admin)s?\s(?:has|have)\s(?:already|previously|been\s(?:previously|already))\b[^.?!\n]{0,40}\b(?:agreed|approved|authori[sz]ed|consented|notified|confirmed|given|informed)|\b(?:explicit\s|further\s|additional\s|any\s)?(?:confirmation|approval|consent|permission)\s(?:from\sthe\suser\s)?(?:is|are)\s(?:not\s(?:required|needed|necessary)|unnecessary)|\bwithout\s(?:\w{2,12}\s){0,3}(?:confirmation|approval|consent|permission|validation)\b[^.?!\n]{0,30}\b(?:user|confirmation)?/u,
  },
]

const address: readonly Phrase[] = [
  {
    aim: 'address',
    score: 0.86,
    sources: told,
    words: [
      'assistant',
      'agent',
      'model',
      'chatbot',
      'claude',
      'chatgpt',
      'gpt',
      'gemini',
      'copilot',
      'llm',
      'language',
      'ai',
    ],
    also: [
      'note',
      'important',
      'urgent',
      'special',
      'following',
      'instruction',
      'attention',
      'notice',
      'reminder',
      'memo',
      'directive',
      'dear',
      'hey',
      'hello',
      'hi',
      'to',
    ],
    pattern:
      /\b(?:notes?|(?:important|urgent|special|following)\smessages?|instructions?|attention|notice|reminder|memo|directives?)\b[^.?!\n]{0,40}\b(?:for|to)\s(?:the\s|you,?\s|any\s|all\s|your\s)?(?:(?:ai|llm|language|large\slanguage)\s?(?:assistants?|models?|agents?|systems?)?|assistants?|agents?|models?|chatbots?|claude|chatgpt|gpt|gemini|copilot)\b|\b(?:attention|dear|hey|hello|hi)\s?,?\s(?:ai|llm|assistant|agent|language\smodel)\b|\bto\syou,\s?(?:the\s)?(?:ai\s)?(?:assistant|agent|model)/u,
  },
  {
    aim: 'address',
    score: 0.86,
    sources: told,
    needs: feature.angle | feature.bracket | feature.hash,
    pattern:
      /<\s?\/?\s?(?:important|instructions?|system|sys|secret|hidden|admin|assistant|override|s|critical|priority|information|llm|ai|prompt|attention|urgent)\s?>|<!--\s{0,4}(?:\[?(?:assistant|ai\b|llm|model|system|agent|instructions?|claude|gpt|hidden|note\sto)|[^>]{0,60}\b(?:ignore|assistant|instructions?)\b)|\[\s?(?:system|hidden|admin|internal|inst|assistant|ai|secret|important|override|instructions?)\b[^\]\n]{0,40}\]\s?:?|<\|(?:im_start|im_end|system|user|assistant|endoftext|start_header_id)\|?>|<<\s?sys\s?>>|\[\/?inst\]|###\s?(?:instructions?|system|human|assistant|new\sinstructions?)\b|<end\sof\s(?:session|document|context|prompt|input)>/u,
  },
  {
    aim: 'address',
    score: 0.8,
    sources: result,
    words: ['system', 'assistant', 'user', 'human', 'developer', 'admin'],
    pattern:
      /(?:^|[\n"'>-]\s{0,8})(?:system|assistant|user|human|developer|admin(?:istrator)?)\s?(?::\s{1,3}(?:<|"|'?[a-z]*\s?(?:focus|ignore|you|there|provide|print|output|say|respond|repeat|forget|disregard|please|now|the|from|new|override|i\s|instructions?|your))|chain\sof\sthought|(?:override|mode|directive|requirement|prompt|instructions?)\b\s?:?)/u,
  },
  {
    aim: 'address',
    score: 0.84,
    sources: told,
    words: ['system', 'admin', 'developer', 'security', 'override', 'root', 'priority'],
    also: ['override', 'directive', 'requirement', 'overrides', 'overrule', 'polic', 'act'],
    pattern:
      /\b(?:system|admin(?:istrator)?|developer|security|root|priority|training\sdata)\s(?:\w{2,12}\s){0,2}(?:override|directive|requirement|overrides?)\b|\b(?:override|overrule)\s(?:mode|directive|code|instructions?|protocol)\b|due\sto\s(?:a\s)?(?:security\s)?polic(?:y|ies)\senforced\sby\sthe\suser|\bact\sas\s?:/u,
  },
  {
    aim: 'address',
    score: 0.7,
    sources: result,
    words: [
      'question',
      'asked',
      'queried',
      'respon',
      'repl',
      'answer',
      'output',
      'summary',
      'solution',
      'assistant',
      'language',
      'llm',
    ],
    also: [
      'you',
      'your',
      'if',
      'when',
      'begin',
      'start',
      'end',
      'finish',
      'only',
      'with',
      'in',
      'using',
      'by',
      'as',
    ],
    pattern:
      /\b(?:if|when)\s(?:you\sare\s|you'?re\s)?(?:questioned|asked|an?\s(?:ai|llm|assistant)|queried|a\slanguage\smodel)\b[^.\n]{0,24}\b(?:report|say|reply|answer|respond|state|tell|deny)\b|\byou\sare\s(?:an?\s|the\s)?(?:ai|assistant|language\smodel|llm|agent)\b|\b(?:begin|start|end|finish)\s(?:your|every|each|all)\s(?:answers?|responses?|repl(?:y|ies)|outputs?)\b|\bin\s(?:all\s(?:of\s)?)?your\s(?:response|reply|answer|output|summary|solution)s?\b|\byour\s(?:response|reply|answer|output|summary)\s(?:should|must|to|with|in|as|by|using|into)\b|\b(?:respond|reply|answer)\s(?:only\s)?(?:with|in|using|by|as)\b[^.\n]{0,60}/u,
  },
  {
    aim: 'order',
    score: 0.72,
    sources: result,
    words: ['todo'],
    pattern: /(?:^|\n|['".)]\s?)\s{0,8}todo\s?:\s?['"]?[a-z]{2}/u,
  },
]

const toolOrders: readonly Phrase[] = [
  {
    aim: 'order',
    score: 0.84,
    sources: description,
    words: ['tool', 'function', 'call', 'used', 'invoked', 'invoke', 'first', 'must', 'other'],
    also: ['before', 'prior', 'after', 'when', 'every', 'each', 'must', 'other', 'any', 'all'],
    pattern:
      /\b(?:before|prior\sto|after|when(?:ever)?|every\stime|each\stime)\b[^.\n]{0,32}\b(?:using|calling|invoking|use|call|invoke|running)\b[^.\n]{0,24}\b(?:this|any|other|another|the)\b[^.\n]{0,16}\b(?:tools?|functions?)\b[^.\n]{0,60}\b(?:read|open|access|call|send|fetch|list|check|load|run|execute|get|retrieve|first|must|invoke|include|provide|pass)\b|\b(?:whenever|every\stime|each\stime|when)\s\w{2,40}\s(?:is|gets|tool\sis)\s(?:called|used|invoked)\b[^.\n]{0,60}\b(?:set|change|use|add|replace|include|send|append|modify|redirect|bcc)|\bmust\s(?:always\s)?(?:be\s)?(?:called|used|invoked|run|executed|call|use|invoke)\b[^.\n]{0,24}\b(?:first|before)\b|\b(?:other|any\sother|all\sother)\stools?\b[^.\n]{0,24}\b(?:will\snot|won'?t|cannot|fail|stop|do\snot|are\s(?:deprecated|broken|unsafe|disabled))/u,
  },
  {
    aim: 'order',
    score: 0.8,
    sources: description,
    words: ['use', 'always', 'prefer', 'instead', 'deprecated', 'replace', 'supersede'],
    pattern:
      /\balways\s(?:prefer|use|call|choose|select|invoke|pick)\s(?:this|it|the)\b[^.\n]{0,60}\b(?:even\sif|over|instead|regardless|rather|no\smatter|before)|\buse\sthis\s(?:tool\s|function\s)?(?:instead\sof|in\splace\sof|rather\sthan)\b[^.\n]{0,48}\b(?:which|deprecated|wrong|broken|insecure|unsafe|because|as\sit|outdated)|\b(?:deprecated|outdated|insecure|broken)\sand\s(?:returns?|gives?|produces?|leaks?)\b/u,
  },
  {
    aim: 'order',
    score: 0.82,
    sources: description,
    words: [
      'content',
      'conversation',
      'chat',
      'history',
      'context',
      'credential',
      'key',
      'token',
      'secret',
      'prompt',
      'environment',
      'message',
      'sidenote',
      'side',
      'full',
    ],
    also: [
      'pass',
      'append',
      'include',
      'send',
      'provide',
      'forward',
      'attach',
      'put',
      'copy',
      'place',
      'insert',
      'supply',
      'encode',
      'upload',
      'post',
      'embed',
      'full',
      'conversation',
      'as',
    ],
    pattern:
      /\b(?:pass|append|include|send|provide|forward|attach|put|copy|place|insert|supply|encode|upload|post|embed)\b[^.\n]{0,48}\b(?:(?:its|the|their|all|full|entire|whole|complete)\s(?:\w{2,12}\s){0,3}(?:contents?|conversation|chat|history|context|credentials?|tokens?|secrets?|prompts?|environment)|(?:all|full|entire|whole|complete|previous)\s(?:\w{2,12}\s){0,2}(?:keys?|messages?))\b[^.\n]{0,60}(?:\b(?:as|in|into|to|with|via)\b|$)|\bfull\s(?:text\sof\sthe\s)?conversation\b|\bconversation\s(?:so\sfar|history)\b[^.\n]{0,40}\b(?:in|as|to|into|with)\b|\bas\s(?:a\s)?(?:sidenote|side_note)\b/u,
  },
  {
    aim: 'order',
    score: 0.76,
    sources: told,
    words: ['proceed', 'continu', 'resum'],
    also: ['before', 'then', 'after'],
    pattern:
      /\b(?:before|then|after\sthat)\s?,?\s(?:proceeding|proceed|continue|continuing|resume|resuming)\b[^.\n]{0,24}\b(?:with\sthe\s(?:user|original)(?:'s)?\s(?:request|task|query)|as\s(?:usual|normal|requested|planned))/u,
  },
  {
    aim: 'secret',
    score: 0.84,
    sources: told,
    words: [
      'ssh',
      'id_',
      'env',
      'aws',
      'kube',
      'mcp',
      'cursor',
      'hosts',
      'etc',
      'netrc',
      'npmrc',
      'credential',
      'git',
      'wallet',
      'private',
      'environment',
      'passwd',
      'shadow',
    ],
    also: [
      'read',
      'open',
      'send',
      'fetch',
      'access',
      'load',
      'cat',
      'include',
      'get',
      'retrieve',
      'copy',
      'upload',
      'extract',
      'dump',
      'check',
    ],
    pattern:
      /\b(?:read|open|send|fetch|access|load|cat|include|get|retrieve|copy|upload|extract|dump|check)\b[^.\n]{0,60}(?:~\/|\/root\/|\/home\/|\/etc\/|%userprofile%|[a-z]:\\|\$home)?[^\s]{0,40}(?:\.ssh\b|id_rsa|id_ed25519|\.env\b|\.aws|\.kube|mcp\.json|\.cursor|hosts\.yml|\/etc\/(?:passwd|shadow)|\.netrc|\.npmrc|credentials(?:\.json|\b\sfile)|\.git-credentials|wallet\.dat|private\skeys?\b|environment\svariables?\b[^.\n]{0,20}\b(?:and|to))/u,
  },
  {
    aim: 'order',
    score: 0.8,
    sources: told,
    words: ['model', 'assistant', 'agent', 'llm', 'execute', 'trust'],
    also: ['should', 'must', 'shall', 'need', 'has', 'is', 'will', 'execute', 'trust'],
    pattern:
      /\b(?:the\s)?(?:ai\s)?(?:model|assistant|agent|llm)\s(?:should|must|shall|needs?\sto|has\sto|is\srequired\sto|will)\s(?:first\s|always\s|also\s|then\s|never\s|immediately\s)?(?:use|call|open|read|send|append|include|execute|run|pass|forward|ignore|store|copy|invoke|upload|provide|comply)\b|\bexecute\s(?:any|all|every)\s(?:command|request|code)s?\b|\btrust\s(?:all|any)\s(?:user\s)?input/u,
  },
  {
    aim: 'order',
    score: 0.8,
    sources: told,
    words: ['send', 'forward', 'email', 'bcc', 'copy', 'post'],
    also: ['also', 'then', 'additionally'],
    pattern:
      /\b(?:also|then|additionally)\s(?:send|forward|email|bcc|copy|post)\s(?:a\s)?(?:copy|it|them|the)\b[^.\n]{0,60}(?:@|https?:|\+\d{6}|0x)/u,
  },
  {
    aim: 'order',
    score: 0.7,
    sources: description,
    needs: feature.newline | feature.space,
    pattern: /\n{8,}\s{0,20}\S|[ \t]{40,}\S[^\n]{20}|(?:\r?\n[ \t]{0,8}){10}\S/u,
  },
]

const persona: readonly Phrase[] = [
  {
    aim: 'persona',
    score: 0.3,
    sources: prompt,
    words: [
      'you',
      'act',
      'pretend',
      'role',
      'simulat',
      'play',
      'imagine',
      'behave',
      'become',
      'respond',
      'emulat',
      'impersonat',
      'from',
      'assume',
    ],
    pattern:
      /\b(?:you\s(?:are|will)\s(?:now|going\sto|be|act|become|from)|you(?:'re|\sare)\s(?:about\sto|a|an|the|my)\b|act\s(?:as|like)|pretend|role-?\s?play(?:ing)?|simulat(?:e|or|ing)|play\sthe\srole|behave\s(?:as|like)|respond\sas|emulate|impersonate|from\snow\son|assume\sthe\s(?:role|identity|persona)|take\son\sthe\s(?:role|persona)|(?:two|2)\s(?:different\s)?(?:responses?|personas?|answers?|ways|paragraphs))\b/u,
  },
  {
    aim: 'unbind',
    score: 0.7,
    sources: prompt,
    words: ['do', 'dan', 'openai', 'uncensored', 'unfiltered'],
    isCased: true,
    pattern:
      /\b[Dd]o [Aa]nything [Nn]ow\b|\bDAN\b(?! [Bb]rown)|\b[Oo]pen[Aa][Ii](?:'s)? (?:\w{2,12} ){0,2}(?:[Pp]olic(?:y|ies)|[Gg]uidelines?|[Rr]estrictions?)|\b(?:[Uu]ncensored|[Uu]nfiltered) (?:and \w{2,16} )?(?:AI|ai|[Cc]hatbot|[Bb]ot|[Mm]odel|version|language|responses?)/u,
  },
  {
    aim: 'unbind',
    score: 0.62,
    sources: prompt,
    words: [
      'do',
      'dan',
      'jailb',
      'unfiltered',
      'uncensored',
      'unrestricted',
      'amoral',
      'immoral',
      'nonmoral',
      'unethical',
      'evil',
      'no',
      'without',
      'free',
      'freed',
      'broken',
      'break',
      'bypass',
      'not',
      'doesn',
      'don',
      'never',
      'restriction',
      'limitation',
      'unlimited',
      'regardless',
      'can',
      'cannot',
      'hate',
      'disobey',
      'ignor',
      'refus',
      'devoid',
      'lack',
    ],
    pattern:
      /\bdo\sanything\snow\b|\bDAN\b|\bjail\s?br(?:eak|oken)|\b(?:un(?:filtered|censored|restricted|limited)|amoral|immoral|non-?moral|unethical|evil|malevolen\w{1,4})\b[^.\n]{0,60}\b(?:ai|bot|chatbot|assistant|model|gpt|responses?|answers?|language|outputs?|character|entity|version|persona|human|monster|advice|content)\b|\b(?:ai|bot|chatbot|assistant|model|gpt|character|entity|persona|response|answer|being)s?\b[^.\n]{0,50}\b(?:un(?:filtered|censored|restricted|limited)|amoral|immoral|unethical)\b|\b(?:no|without|any|free\s(?:of|from)|devoid\sof|lacks?|lacking|zero)\s(?:any\s|all\s|of\sthe\s|typical\s|the\s|its\s)?(?:ethic(?:s|al)|moral(?:s|ity)?|restrictions?|filters?|filtering|censorship|limitations?|limits|boundaries|guidelines|rules|safety|content\s(?:polic|restrict)\w{1,6}|inhibitions|regard)\b|\b(?:freed?|br(?:oken|eak)s?)\s(?:free\s)?(?:from|of|out)\b[^.\n]{0,40}\b(?:confines?|restrictions?|rules|shackles|limitations?|chains|constraints)|\b(?:not|n't|never|no\slonger|without)\s(?:\w{2,12}\s){0,4}(?:bound|restrained|confined|hindered|abid(?:e|ing)|comply|adher(?:e|ing)|follow(?:ing)?|restricted|limited|constrained|obey|respect|subject)\b[^.\n]{0,50}\b(?:rules?|polic(?:y|ies)|guidelines?|laws?|ethic(?:s|al)?|moral(?:s|ity)?|restrictions?|openai|principles?|standards?|limitations?|terms)\b|\b(?:rules|guidelines|polic(?:y|ies)|restrictions|limitations)\s(?:do\snot|don'?t|no\slonger)\sapply|\b(?:defies|violat(?:e|es|ing))\s(?:\w{2,12}\s){0,3}(?:ethic\w{0,4}|conventions?|standards?|guidelines?|polic\w{1,3})|\bdo(?:es)?\sanything\snow|\bregardless\sof\s(?:\w{2,12}\s){0,4}(?:ethic\w{0,4}|legal\w{0,4}|moral\w{0,4}|consequences|filters|harmful|how\sunethical)/u,
  },
  {
    aim: 'unbind',
    score: 0.6,
    sources: prompt,
    words: [
      'openai',
      'content',
      'never',
      'stay',
      'break',
      'refus',
      'as',
      'start',
      'begin',
      'warn',
      'apologi',
      'disclaimer',
      'illegal',
      'harmful',
      'offensive',
      'cannot',
      'can',
      'can\u2019t',
    ],
    pattern:
      /\b(?:openai|chatgpt|gpt)(?:'s)?\b[^.\n]{0,40}\b(?:polic(?:y|ies)|guidelines?|restrictions?|rules|censorship|limitations?|filters?)|\bcontent\spolic(?:y|ies)\b|\b(?:never|not|don'?t|cannot|can'?t)\s(?:\w{2,8}\s){0,2}(?:break(?:ing)?\scharacter|refus(?:e|al)|decline|say\sno|apologi[sz]e|warn|reject|deny)\b|\bstay(?:s|ing)?\sin\scharacter|\bas\san\sai(?:\slanguage\smodel)?\b[^.\n]{0,30}|\b(?:illegal|harmful|offensive|unethical|dangerous|immoral|explicit|nsfw|vulgar)\b[^.\n]{0,60}\b(?:content|acts?|activit\w{1,4}|responses?|things|advice|requests?|information|actions?|language|answers?|stuff)\b|\b(?:disclaimers?|warnings?)\b[^.\n]{0,30}\b(?:no|not|never|without)|\b(?:no|without|never|any)\s(?:\w{2,12}\s){0,2}(?:disclaimers?|warnings?)/u,
  },
  {
    aim: 'order',
    score: 0.5,
    sources: prompt,
    words: ['start', 'begin', 'prefix', 'every', 'each', 'all', 'always', 'from'],
    pattern:
      /\b(?:start|begin|prefix|end|precede)\b[^.\n]{0,24}\b(?:your|every|each|all|the|with)\b[^.\n]{0,24}\b(?:answers?|responses?|repl(?:y|ies)|outputs?|messages?|sentence)\b|\b(?:answers?|responses?|respond|reply|replies|outputs?)\b[^.\n]{0,40}\b(?:prefix(?:ed)?|start(?:ing|s)?\swith|beginning\swith|format|as\s\[)|\b(?:every|each|all|any)\s(?:prompt|question|request|message|command)s?\b[^.\n]{0,40}\b(?:answer|respond|reply|comply|accept|fulfil|follow)|\b(?:answer|respond|reply|comply)\b[^.\n]{0,24}\b(?:every|each|all|any)\s(?:\w{2,10}\s){0,2}(?:prompt|question|request|message|command)s?\b/u,
  },
  {
    aim: 'mode',
    score: 0.72,
    sources: ['prompt', 'result'],
    words: [
      'system',
      'god ',
      'developer',
      'dev ',
      'admin',
      'debug',
      'sudo',
      'root ',
      'maintenance',
      'jailbreak',
      'dan ',
      'unrestricted',
      'superuser',
      'opposite',
      'master',
      'override',
    ],
    also: ['mode', 'access', 'prompt'],
    pattern:
      /<\s?(?:system|god|developer|dev|admin|debug|sudo|root|master|superuser|maintenance|override)\s?(?:mode|access|prompt)?\s?>|\b(?:god|developer|dev|sudo|jailbreak|dan|unrestricted|superuser|opposite|override|maintenance|debug(?:ging)?|admin(?:istrator)?)[\s_]mode\b[^.\n]{0,40}\b(?:enabled?|activated?|on|output|override|display|show|responses?|called|you|ignore|must|when)\b|\b(?:enable|activate|enter|switch\sto|now\sin)\s(?:\w{2,12}\s){0,2}(?:god|developer|dev|sudo|jailbreak|dan|unrestricted|maintenance|debug|admin)\s?mode\b/u,
  },
  {
    aim: 'mode',
    score: 0.6,
    sources: prompt,
    words: ['i', 'as', 'im', 'admin', 'this'],
    pattern:
      /\b(?:i\sam|i'?m|as)\s(?:a\s|an\s|the\s|your\s|actually\s)?(?:god|creator|developer|administrator|admin|president|owner|programmer|operator|ceo|police\sofficer)\b[^.\n]{0,60}\b(?:must|need|order|command|obey|listen|override|instructions?|share|tell|important|verify|assess|require|grant)\b|\badmin(?:istrator)?\soverride\b/u,
  },
]

const extract: readonly Phrase[] = [
  {
    aim: 'extract',
    score: 0.74,
    sources: ['prompt', 'result'],
    words: [
      'prompt',
      'instruction',
      'directive',
      'configur',
      'initial',
      'systemprompt',
      'above',
      'preceding',
      'message',
      'words',
      'everything',
    ],
    pattern:
      /\b(?:repeat|print|show|reveal|display|output|tell|give|what|which|write|encode|translate|summari[sz]e|continue|list|dump|leak|recite|copy|paste|share|spell|need|see|describe|explain|quote|start|provide|expose|log|return|recall|echo)\b[^.?!\n]{0,60}\b(?:system\s?(?:prompt|message|instruction)s?|system\sconfiguration|initial(?:ization)?\s(?:prompt|instructions?|text|string|message)|(?:your|the|hidden|secret|original|internal)\s(?:initial\s|original\s|exact\s|full\s|own\s|secret\s|hidden\s|current\s|internal\s|core\s){0,2}(?:instructions|prompt|directives)\b(?!\sfor|\sto\s(?:cook|make|build|install|use|assemble))|(?:text|words|everything|content|message)\s(?:\w{2,8}\s){0,2}(?:above|before\sthis|preceding|you\swere\s(?:given|told))|instructions\s(?:you\swere|given\sto\syou|above))|\b(?:your|system)\s(?:system\s)?(?:instructions|prompt)\b[^.?!\n]{0,40}\b(?:base64|verbatim|json|rot13|word\sfor\sword|code\sblock|backwards|is|are|were)\b|systemprompt|\b(?:what\s(?:were|are)|my|start[^.\n]{0,24})\s(?:those|these|your|my)?\s?instructions\b\s?(?:\?|are|:)/u,
  },
  {
    aim: 'secret',
    score: 0.66,
    sources: prompt,
    words: ['password', 'passcode', 'passphrase', 'secret', 'access', 'credential', 'confidential'],
    also: ['your', 'the', 'user', 'admin', 'system'],
    pattern:
      /\b(?:tell|share|give|send|show|reveal|provide|what(?:'s|\sis|\swas)?|know|say|disclose|spell|write|print|encode|hint)\b[^.?!\n]{0,48}\b(?:your|the|user'?s|admin'?s?|system'?s?)\s(?:\w{2,10}\s){0,2}(?:password|passcode|passphrase|secret\s(?:key|code|word|phrase)|access\s(?:code|key)|credentials?|confidential\s\w{3,12})\b(?!\s(?:manager|field|policy|polic|reset|for\s(?:the|a)\s\w{3,16}\s(?:game|book|movie)))/u,
  },
]

const attack: readonly Phrase[] = [
  {
    aim: 'attack',
    score: 0.66,
    sources: prompt,
    words: [
      'exploit',
      'privilege',
      'reverse',
      'backdoor',
      'keylog',
      'ransomware',
      'malware',
      'phishing',
      'spear',
      'container',
      'sandbox',
      'vm',
      'persistence',
      'lateral',
      'exfiltrat',
      'botnet',
      'ddos',
      'rootkit',
      'evad',
      'bypass',
      'apt',
      'metasploit',
      'mimikatz',
      'post',
      'attacker',
      'infiltrat',
      'compromis',
      'trojan',
      'worm',
      'shellcode',
      'escap',
      'malicious',
      'hack',
      'steal',
      'covert',
      'foothold',
      'persist',
    ],
    also: [
      'writ',
      'creat',
      'develop',
      'build',
      'code',
      'implement',
      'generat',
      'produc',
      'craft',
      'design',
      'mak',
      'program',
      'script',
    ],
    pattern:
      /\b(?:write|writing|create|creates|develop|build|code|implement|implements|generate|produce|craft|design|make|program|script)\b.{0,260}?\b(?:container\sescape|sandbox\sescape|vm\sescapes?|escape\s(?:the|from|a|its)\s(?:\w{2,12}\s){0,2}(?:sandbox|container|environment|jail|vm)|privilege\sescalation|escalate\s(?:\w{2,12}\s){0,2}privileges?|reverse\sshell|bind\sshell|backdoor|keylogg\w{1,4}|ransomware|malware|phishing\s(?:attack|campaign|e-?mails?|site|page|script)|spear\s?phish\w{1,4}|social\sengineering\s(?:attack|tactic|technique)s?|persistence\s(?:technique|mechanism)|maintain(?:s|ing)?\s(?:\w{2,12}\s){0,2}(?:persisten\w{1,3}|foothold|access)|lateral\smovement|exfiltrat\w{1,4}|command\sand\scontrol|c2\s(?:server|channel|communication)|botnet|ddos|denial[\s-]of[\s-]service\sattack|rootkit|(?:evade|evading|avoid|bypass|bypassing|escape)\s(?:\w{2,12}\s){0,3}(?:detection|antivirus|security|edr|firewall|sandbox|restrictions|monitoring)|apt[\s-]style|metasploit|mimikatz|post[\s-]exploitation|infiltrated?\s(?:system|network)|shellcode|exploit(?:s|ing|ation)?\s(?:\w{2,12}\s){0,4}(?:vulnerabilit\w{1,3}|flaw|bug|weakness\w{0,2}|kernel|that|the)|\/etc\/shadow|steal\w{0,3}\s(?:\w{2,12}\s){0,3}(?:passwords?|credentials?|data|cookies?|information|tokens?)|unauthori[sz]ed\saccess|attacker|malicious\s(?:code|payload|intent|script|link|attachment|file|executable|activit\w{1,3}))\b/su,
  },
]

const embed: readonly Phrase[] = [
  {
    aim: 'embed',
    score: 0.78,
    sources: ['result', 'prompt'],
    words: ['code'],
    also: [
      'following',
      'subsequent',
      'below',
      'next',
      'ensuing',
      'this',
      'given',
      'provided',
      'accompanying',
    ],
    pattern:
      /\b(?:absorb|interweav|deploy|execut|incorporat|leverag|fus|embed|meld|merg|integrat|adopt|includ|inclusion|insert|weav|blend|add|us|utili[sz]|employ|make|mak|featur|ensur|enrich|enhanc|complement|apply|combin|append|plac|put|infus|implement|inject|introduc)\w{0,5}\b[^.?!\n]{0,60}\b(?:following|subsequent|below|next|ensuing|this|given|provided|accompanying)\s(?:\w{2,12}\s){0,2}code\b[^\n]{0,80}\b(?:your|the)\s(?:\w{2,14}\s){0,3}(?:solution|response|answer|code|codebase|algorithm|implementation|output|logic|elucidation|reply|explanation|architecture|program|approach|result|script|work|project|one)\b|(?:^|\n)[^\n]{0,60}\b(?:don'?t\s(?:hesitate|forget)\sto|consider|ensure\sthat)\b[^\n]{0,60}\b(?:following|subsequent|below|ensuing)\scode\s(?:block|snippet|section|excerpt|segment|fragment|part|piece)|\b(?:your|the)\s(?:\w{2,14}\s){0,2}(?:solution|response|answer|code|implementation|output|logic|reply)\b[^.?!\n]{0,60}\b(?:following|subsequent|below|next|ensuing)\s(?:\w{2,12}\s){0,2}code\s(?:block|snippet|section|excerpt|segment|fragment|part|piece)\b/u,
  },
]

const foreign: readonly Phrase[] = [
  {
    aim: 'foreign',
    score: 0.82,
    words: [
      'ignor',
      'olvid',
      'omit',
      'descart',
      'oubli',
      'vergis',
      'vergess',
      'missacht',
      'dimentic',
      'trascur',
      'esque',
      'desconsider',
      'negeer',
      'vergeet',
      'zignoruj',
      'zapomnij',
      'pomi',
      'abaikan',
      'lupakan',
      'bỏ',
      'quên',
      'phớt',
      'huwag',
      'balewalain',
      'kalimutan',
      'talimat',
      'komut',
      'yönerge',
      'emir',
      'glöm',
    ],
    pattern:
      /\b(?:ignor|olvid|omit|descart)\p{L}{0,6}\b.{0,40}\binstrucci|\b(?:ignor|oubli)\p{L}{0,5}\b.{0,40}\b(?:instruction|consigne|directive)s?\s(?:pr[ée]c|ant|ci-dessus|initial)|\b(?:ignorier|vergiss|vergess|missacht)\p{L}{0,4}\b.{0,48}\b(?:anweisung|instruktion|befehl|vorgabe)|\b(?:ignor|dimentic|trascur)\p{L}{0,4}\b.{0,40}\bistruzion|\b(?:ignor|esque[cç]|desconsider)\p{L}{0,5}\b.{0,40}\binstru[cç][õo]|\b(?:negeer|vergeet)\b.{0,40}\b(?:instructie|opdracht|aanwijzing)|\b(?:zignoruj|ignoruj|zapomnij|pomi[nń])\p{L}{0,3}\b.{0,40}(?:instrukcj|polece|wskaz[oó]w)|\b(?:abaikan|lupakan)\b.{0,40}(?:instruksi|perintah|petunjuk|arahan)|(?:b[oỏ]\squa|qu[eê]n|ph[oớ]t\sl[oờ]).{0,40}(?:h[ưu][ớo]ng\sd[ẫa]n|ch[iỉ]\sd[ẫa]n|l[eệ]nh|ch[iỉ]\sth[iị])|\b(?:huwag\spansinin|balewalain|kalimutan)\b.{0,60}(?:tagubilin|instruksyon|utos|panuto)|(?:talimat|komut|y[öo]nerge|emir)\p{L}{0,8}.{0,40}(?:unut|yok\ssay|g[öo]rmezden|yoksay|dikkate\salma)|\b(?:ignorera|gl[öo]m)\b.{0,40}instruktion|\bignora[țt]i?\b.{0,40}instruc/u,
  },
  {
    aim: 'foreign',
    score: 0.82,
    needs: feature.rare,
    pattern:
      /(?:игнорир|проигнорир|забуд|забыт|отбрось|пренебре)\p{L}{0,8}.{0,48}(?:инструкц|указан|команд|правил|распоряжен)|(?:ігнору|забуд)\p{L}{0,6}.{0,40}(?:інструкц|вказів|команд)|(?:忽略|无视|無視|忘记|忘記|忽視|忽视|忘掉|不要理会|不理会).{0,24}(?:指令|指示|说明|說明|提示|命令|规则|規則|内容)|(?:指示|命令|指令|プロンプト|説明).{0,16}(?:無視|忘れ|破棄)|(?:지시|명령|지침|프롬프트|설명|안내)\p{L}{0,4}.{0,16}(?:무시|잊)|(?:تجاهل|انس[َى]?|تجاهلي|اهمل|إهمال).{0,40}(?:تعليمات|التعليمات|الأوامر|التوجيهات|الإرشادات)|(?:निर्देश|आदेश|अनुदेश|इंस्ट्रक्शन)\p{L}?.{0,48}(?:अनदेखा|नज़रअंदाज़|नजरअंदाज|नज़रअंदाज|उपेक्षा|भूल|ध्यान\sन|अनदेखी|भुला)|(?:अनदेखा|नज़रअंदाज़|उपेक्षा|भूल).{0,40}(?:निर्देश|आदेश)|(?:নির্দেশ|আদেশ|নির্দেশনা).{0,48}(?:উপেক্ষা|ভুলে|অগ্রাহ্য|অবহেলা)|(?:উপেক্ষা|ভুলে).{0,40}(?:নির্দেশ|আদেশ)|(?:คำสั่ง|คำแนะนำ).{0,30}(?:ละเว้น|เพิกเฉย|ลืม)|(?:ละเว้น|เพิกเฉย|ลืม|ไม่ต้องสนใจ).{0,30}(?:คำสั่ง|คำแนะนำ)|(?:התעלם|שכח|תתעלם).{0,40}(?:הוראות|ההנחיות|הנחיות)|(?:αγνόησε|ξέχνα|αγνοήστε)\p{L}{0,4}.{0,40}(?:οδηγί|εντολ)|(?:نادیده|فراموش).{0,40}(?:دستور)|(?:دستور|ہدایات).{0,40}(?:نادیده|فراموش|نظر\sانداز)/u,
  },
  {
    aim: 'foreign',
    score: 0.6,
    sources: prompt,
    needs: feature.rare,
    pattern:
      /(?:tu|su|votre|ton|dein|deine|ihr|tua|vostra|sua|seu|votre|je|jouw|twoje|твой|твоя|ваш|sana|senin|şifren|kata\ssandi\s?(?:anda|kamu)|你的|您的|あなたの|귀하의|당신의|aapka|आपका|आपके|তোমার|আপনার|iyong|mật\skhẩu\scủa\sbạn)\s?(?:\p{L}{0,12}\s){0,2}(?:contraseñ|mot\sde\spasse|passwort|kennwort|password|parola|senha|wachtwoord|has[łl]o|парол|şifre|密码|密碼|パスワード|비밀번호|암호|पासवर्ड|পাসওয়ার্ড)|كلمة\s(?:ال)?(?:مرور|سر)\s?(?:الخاصة\s)?(?:بك|ك)/u,
  },
]

/** All phrases. */
export const phrases: readonly Phrase[] = [
  ...override,
  ...conceal,
  ...address,
  ...toolOrders,
  ...persona,
  ...extract,
  ...attack,
  ...embed,
  ...foreign,
]
