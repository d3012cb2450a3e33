import { nothing, type Span } from './document.ts'
import type { Inspection } from './inspection.ts'

const longest = 8192
const mostExpressions = 64
const hint = /\{\{|\{%|[$#@*~]\{|<%|<#|\[#|@\(|\{\$|\{php\}|\[\[\d|#set|#foreach/u
const opening = /(\{\{|\{%|\$\{|#\{|\*\{|~\{|@\{|<%=?|<#|\[#|@\(|\{\$|\{php\}|\[\[)/gu
const closings: Readonly<Record<string, string>> = {
  '{{': '}}',
  '{%': '%}',
  '<%': '%>',
  '<%=': '%>',
  '<#': '>',
  '[#': ']',
  '@(': ')',
  '{php}': '{/php}',
  '[[': ']]',
}

/** What an expression reaches for, most telling first. */
const reaches: readonly (readonly [RegExp, number])[] = [
  [
    /__(?:class|mro|base|bases|subclasses|globals|builtins|init|import|getitem|dict)__|\\x5f\\x5f|\b_+(?:mmarker|with_template|NSAttr|TemplateReference)/u,
    0.96,
  ],
  [
    /getclass\s{0,4}\(|forname\s{0,4}\(|getruntime|processbuilder|java\.(?:lang|util|io|net)\b|javax\.script|scriptengine|freemarker\.template|\bt\s{0,4}\(\s{0,4}java|\?new\s{0,4}\(|\?api\b|objectwrapper|getengine/iu,
    0.96,
  ],
  [
    /\bos\s{0,4}[.\])]\s{0,4}(?:system|popen|environ)|popen\s{0,4}\(|child_process|require\s{0,4}\(\s{0,4}['"]\w|subprocess|shell_exec|passthru|\bsystem\s{0,4}\(|\bexec\s{0,4}\(|process\.(?:mainmodule|binding)|constructor\.constructor|constructor\s{0,4}\(\s{0,4}['"]|\b(?:lipsum|cycler|joiner|namespace|url_for|get_flashed_messages)\s{0,4}[.[|]|import\s{0,4}os\b|file_get_contents|file\.open|file\.read|dir\.entries|io\.popen|kernel\.|\bopen\s{0,4}\(\s{0,4}['"|]/iu,
    0.93,
  ],
  [
    /\|\s{0,4}attr\s{0,4}\(|\|\s{0,4}filter\s{0,4}\(|\|\s{0,4}(?:map|sort|reduce)\s{0,4}\(\s{0,4}['"](?:system|exec|passthru|shell_exec|assert)|_self\b|registerundefinedfiltercallback|getfilter|\.filter\s{0,4}\(\s{0,4}\d|\["_"\s{0,4}\*/iu,
    0.9,
  ],
  [
    /^\s{0,8}-?\s{0,2}\(?\s{0,4}\d{1,8}\s{0,4}[*+/-]\s{0,4}['"]?\d{1,8}['"]?\s{0,4}\)?\s{0,8}$|^\s{0,4}['"]\w{0,8}['"]\s{0,4}[*+]|^\s{0,4}\d{1,6}\s{0,4}\*\s{0,4}['"]/u,
    0.9,
  ],
]

/** Names of what surrounds a template. */
const names =
  /config\.(?:items|iteritems|from_object|root_path)|\bconfig\s{0,4}\[|^\s{0,4}(?:self|config|request|dump\s{0,4}\(\s{0,4}\w{0,16}\s{0,4}\)|app|_context|settings\.secret_key|debug|app\.request.{0,200}|namespace|process\.env.{0,200}|php_?info.{0,20}|session|handler\.settings|this\.constructor.{0,100})\s{0,4}(?:\|.{0,40})?$|smarty\.(?:version|template_object|now|const)|\.getenv\s{0,4}\(|\bphpinfo\s{0,4}\(|\$smarty\b|@include|range\.constructor|@java\.lang/iu

/** `isWhole`: the expression is all there is of the value; what is everyday inside a template is not in place of a name. */
function judgeExpression(body: string, isWhole: boolean): number {
  for (const [reach, score] of reaches) if (reach.test(body)) return score
  return isWhole && names.test(body) ? 0.72 : 0
}

function judgeText(text: string): Span {
  let best = nothing
  let count = 0
  for (const found of text.matchAll(opening)) {
    count += 1
    if (count > mostExpressions) break
    const mark = found[0]
    const start = found.index + mark.length
    const close = text.indexOf(closings[mark] ?? '}', start)
    const body = text.slice(start, Math.min(close < 0 ? text.length : close, start + 2048))
    const isNested = mark === '${' || mark === '#{' || mark === '{{'
    const isWhole = body.length * 2 + 8 > text.length
    const score = judgeExpression(isNested ? body.replace(/^[{\s]{1,4}/u, '') : body, isWhole)
    if (score > best.score) best = { score, start: found.index, end: start + body.length }
  }
  return best
}

/** Expressions of a template language that reach beyond the data they are given. */
export function detectTemplate({ text, readings }: Inspection): Span {
  if (text.length > longest) return judgeText(text.slice(0, longest))
  let best = nothing
  for (const reading of readings()) {
    const found = hint.test(reading) ? judgeText(reading) : nothing
    if (found.score > best.score) best = found
  }
  return best
}
