import { nothing as noSpan, type Span } from './document.ts'
import { feature } from './features.ts'
import type { Inspection } from './inspection.ts'
import { isSentence, withoutQuotedCode } from './prose.ts'
import { sqlTokens, type SqlToken } from './sql-tokens.ts'

const longest = 4096
const longestText = 400
/** What programs and templates have and SQL does not. */
const program =
  /===|=>|\{%|\{\{|<\/\w|\b(?:function|const|var|let|def|import|return|typeof)\s|#include|\);\s{0,8}\n/u
/** Something that a payload cannot do without. */
const hint =
  /union|select|sleep|benchmark|waitfor|order\s{1,8}by|--|#|\/\*|xp_|,\s{0,4}null|schema|@@|\|\||&&|randomblob|utl_|;\s{0,8}(?:drop|exec|insert|update|delete|create|alter|shutdown|grant)|\b(?:insert|delete|create|drop|exec|bulk|backup)\b|case\s{1,8}when|^['"`]{1,2}\s{0,4}(?:[-+*/^&|=%<>]|like|div|mod)|['"`]\s{0,4}[=^&|*+-]\s{0,4}['"`]|;\s{0,8}set\s{1,8}@/iu
/** A condition, which needs something to compare. */
const connective = /(?:^|[^a-z])(?:or|and|having|limit)[^a-z]/iu
const comparing = feature.equals | feature.angle | feature.quote | feature.paren | feature.hash | feature.dash
/** What a condition in prose needs: quotes and dashes are everywhere there. */
const comparingInProse = feature.equals | feature.angle
const statement =
  /^\s{0,16}(?:\/\*(?:[^*]|\*(?!\/)){0,2048}\*\/\s{0,64}|--[^\n]{0,256}\n\s{0,64}){0,8}\(?\s{0,4}(?:select|insert\s+into|update|delete\s+from|with|create|drop|alter|explain|pragma|copy|merge|replace|truncate|attach|prepare|execute|exec|begin|declare|grant|revoke|analyze|vacuum|use|call|values|set|show|describe|from)\b/iu
const connectives = new Set(['or', 'and', '||', '&&', 'xor', 'having', 'where', 'when', 'rlike'])
const leading = new Set(['(', 'not', '-', '+', '~', '!'])
const trailing = new Set(['(', 'not', '=', '<', '>', '-', '+', '~', '!'])
const closing = new Set([')'])
const comparisons = new Set([
  '=',
  '<',
  '>',
  '<>',
  '!=',
  '<=',
  '>=',
  '==',
  'like',
  'rlike',
  'regexp',
  'in',
  'between',
  'is',
])
const delays = new Set([
  'sleep',
  'benchmark',
  'pg_sleep',
  'randomblob',
  'dbms_pipe',
  'dbms_lock',
  'sleeptime',
])
const verbs = new Set([
  'select',
  'drop',
  'insert',
  'update',
  'delete',
  'create',
  'alter',
  'exec',
  'execute',
  'shutdown',
  'declare',
  'truncate',
  'grant',
  'waitfor',
  'if',
  'begin',
  'bulk',
  'call',
  'copy',
  'attach',
  'load',
  'backup',
  'restore',
  'rename',
  'replace',
  'merge',
  'kill',
  'set',
])
const inner =
  /^(?:xp_\w{2,32}|information_schema|sysobjects|syscolumns|sqlite_master|sqlite_version|utl_\w{2,16}|dba_\w{2,32}|all_tables|pg_(?:shadow|read_file|ls_dir|user|group|catalog|sleep)|load_file|outfile|dumpfile|extractvalue|updatexml|@@\w{2,32}|current_setting|sp_\w{4,32}|sys_context|dbms_\w{2,32}|openrowset|make_set|elt|procedure|v\$\w{2,32}|user_(?:tables|tab_columns|objects|views)|all_(?:tab_columns|users|objects)|ctxsys|httpuritype|dbms\w{0,2}_\w{2,32}|sqlite_schema|sqlite_temp_master|load_extension|msysobjects|rdb\$\w{2,32}|sysibm|syscat|syscolumns|sysusers|syslogins|sysdatabases|systables|pg_(?:tables|database|roles|authid|proc|class|stat_\w{2,32}|settings|read_binary_file|stat_file)|lo_(?:import|export)|(?:query|database|table|schema)_to_xml|xmltype|gtid_subset|gtid_subtract|st_latfromgeohash|opendatasource|openquery|fn_\w{2,64})$/u

/** A reason and where it begins. */
interface Evidence {
  readonly score: number
  readonly at: number
}

interface View {
  readonly tokens: readonly SqlToken[]
  /** The view begins behind a quote that the text closes by itself. */
  readonly isBroken: boolean
}

const clauses = new Set(['where', 'having', 'when'])
const none: Evidence = { score: 0, at: 0 }

function word(view: View, index: number): string {
  const found = view.tokens[index]
  return found === undefined || found.kind === 'string' ? '' : found.text
}

function isLiteral(found: SqlToken | undefined): boolean {
  return (
    found?.kind === 'number' || found?.kind === 'string' || found?.text === 'true' || found?.text === 'null'
  )
}

/** Index of the first token from `index` on that is none of `words`. */
function skip(view: View, start: number, words: ReadonlySet<string>): number {
  let index = start
  while (words.has(word(view, index))) index += 1
  return index
}

/** Index after the closing parenthesis of the one that opens at `start`. */
function groupEnd(view: View, start: number): number {
  let depth = 0
  for (let index = start; index < view.tokens.length; index += 1) {
    if (word(view, index) === '(') depth += 1
    else if (word(view, index) === ')') depth -= 1
    if (depth === 0) return index + 1
  }
  return view.tokens.length
}

const casts = new Set(['::', 'collate'])

/** Index after the term at `start`: a literal, or a name with its dots and one balanced pair of parentheses. */
function termEnd(view: View, start: number): number {
  let index = start + 1
  while (word(view, index) === '.') index += 2
  if (word(view, index) === '(') index = groupEnd(view, index)
  while (casts.has(word(view, index))) index += 2
  return index
}

const arithmetic = new Set(['+', '-', '*', '/', '%', '^', '&', '|'])

/** Index after the operand at `start`: terms, and what is computed with them. */
function operandEnd(view: View, start: number): number {
  let end = termEnd(view, start)
  while (arithmetic.has(word(view, end)) && isLiteral(view.tokens[end + 1])) end = termEnd(view, end + 1)
  return skip(view, end, closing)
}

function isEnd(view: View, index: number): boolean {
  const found = view.tokens[word(view, index) === ';' ? index + 1 : index]
  return found === undefined || found.kind === 'comment'
}

/** The two sides of the comparison behind a connective; `second` is undefined where the text ends or nothing is compared. */
interface Condition {
  readonly first: number
  readonly second: number
  readonly isCompared: boolean
  readonly end: number
}

function conditionAt(view: View, index: number): Condition | undefined {
  const first = skip(view, index + 1, leading)
  if (view.tokens[first] === undefined) return undefined
  const end = operandEnd(view, first)
  const isCompared =
    comparisons.has(word(view, end)) || comparisons.has(`${word(view, end)}${word(view, end + 1)}`)
  return { first, second: skip(view, end + 1, trailing), isCompared, end }
}

/** `or 1=1`, `and 'a'='a`, `or name like '%`: a condition that does not belong to the value. */
function judgeCondition(view: View, index: number): number {
  if (!connectives.has(word(view, index))) return 0
  const found = conditionAt(view, index)
  if (found === undefined) return 0
  if (!found.isCompared) return judgeBare(view, index, found)
  if (view.tokens[found.second] === undefined) return view.isBroken ? 0.7 : 0
  return judgeSides(view, index, found)
}

/** `or true--` */
function judgeBare(view: View, index: number, { first, end }: Condition): number {
  const isCall = view.isBroken && view.tokens[first]?.kind === 'word' && word(view, first + 1) === '('
  if (!(isLiteral(view.tokens[first]) || isCall) || !isEnd(view, end)) return 0
  return view.isBroken ? 0.8 : Number(index === 0) * 0.55
}

/** `or x=y`: one comparison and nothing else, which makes wider what stands before the value; `and` may go on a filter. */
function isAll(view: View, index: number, second: number): boolean {
  return index === 0 && word(view, 0) === 'or' && isEnd(view, operandEnd(view, second))
}

function judgeSides(view: View, index: number, { first, second }: Condition): number {
  const literals = [first, second].filter(side => isLiteral(view.tokens[side])).length
  if (literals === 2) return judgeLiterals(view, index)
  if (view.isBroken) return literals === 1 ? 0.85 : 0.6
  if (isAll(view, index, second)) return 0.6
  const isCall = word(view, first + 1) === '(' && literals === 1
  return isCall || isLiteral(view.tokens[first]) ? 0.75 : 0
}

/** `5 < 6 && 7 > 3` is a sum, `x or 5=5` is not. */
function judgeLiterals(view: View, index: number): number {
  if (view.isBroken) return 0.93
  return view.tokens[index]?.kind === 'word' || index === 0 ? 0.8 : 0.4
}

function judgeUnion(view: View, index: number): number {
  if (word(view, index) !== 'union') return 0
  let next = index + 1
  while (['all', 'distinct', '('].includes(word(view, next)) || view.tokens[next]?.kind === 'comment')
    next += 1
  return word(view, next).startsWith('select') ? 0.95 : 0
}

function judgeName(view: View, index: number): number {
  const name = word(view, index)
  if (!inner.test(name)) return 0
  if (name === 'procedure') return word(view, index + 1).startsWith('analy') ? 0.85 : 0
  return name === 'elt' ? 0 : 0.8
}

function isCoded(view: View, index: number): boolean {
  const name = word(view, index)
  return /^chr$|^char$/u.test(name) && word(view, index + 1) === '(' && /^[+|]/u.test(word(view, index + 4))
}

/** Calls that wait, read the catalogue or build text from character codes. */
function judgeCall(view: View, index: number): number {
  const [name, next] = [word(view, index), word(view, index + 1)]
  if (word(view, index - 1) === '.') return judgeName(view, index)
  if (name === 'waitfor' && next === 'delay') return 0.93
  if (delays.has(name) && next === (name.startsWith('dbms_') ? '.' : '(')) return 0.88
  return isCoded(view, index) ? 0.8 : judgeName(view, index)
}

const directions = new Set(['asc', 'desc'])
const afterLimit = /^(?:offset|,|into|procedure|union|for)$/u

/** `1 limit 0,1 into @a`: the end of a query, behind what was to be a value in it. */
function judgeLimit(view: View, index: number): number {
  const isLimit = word(view, index) === 'limit' && view.tokens[index + 1]?.kind === 'number'
  if (!isLimit || !(view.isBroken || view.tokens[index - 1]?.kind === 'number')) return 0
  return isEnd(view, index + 2) || afterLimit.test(word(view, index + 2)) ? 0.75 : 0
}

function judgeOrder(view: View, index: number): number {
  const isOrder =
    (word(view, index) === 'order' || word(view, index) === 'group') && word(view, index + 1) === 'by'
  if (!isOrder || view.tokens[index + 2]?.kind !== 'number') return 0
  const next = skip(view, index + 3, directions)
  return isEnd(view, next) || word(view, next) === ',' ? 0.75 : 0
}

/** What must follow a verb of SQL that is a verb of prose as well. */
const followers: Readonly<Record<string, RegExp>> = {
  drop: /^(?:table|database|view|index|user|column|procedure|function|schema|role)$/u,
  insert: /^into$/u,
  delete: /^from$/u,
  create: /^(?:table|database|view|index|user|procedure|function|schema|role|or|login)$/u,
  alter: /^(?:table|database|view|user|procedure|function|schema|role|login)$/u,
  update: /^[\w.]{1,64}$/u,
  if: /^\($/u,
  copy: /^[\w(]/u,
  attach: /^database$/u,
  load: /^(?:data|file)$/u,
  backup: /^(?:database|log)$/u,
  restore: /^(?:database|log)$/u,
  rename: /^(?:table|user)$/u,
  replace: /^into$/u,
  merge: /^into$/u,
  kill: /^\d/u,
  set: /^@/u,
}

function isStatement(view: View, index: number): boolean {
  const verb = word(view, index)
  if (!verbs.has(verb)) return false
  const isFollowed = followers[verb]?.test(word(view, index + 1)) ?? true
  return isFollowed && (verb !== 'update' || word(view, index + 2) === 'set')
}

function judgeStacked(view: View, index: number): number {
  if (word(view, index) !== ';' || !isStatement(view, index + 1)) return 0
  return view.isBroken ? 0.9 : 0.75
}

function judgeNulls(view: View, index: number): number {
  const isRun = [0, 2].every(
    step => word(view, index + step) === ',' && word(view, index + step + 1) === 'null',
  )
  return isRun ? 0.8 : 0
}

const unseparated = /^(?:exec|execute|waitfor|declare|drop|insert|delete|update|create|alter|truncate)$/u
const afterUnseparated: Readonly<Record<string, RegExp>> = {
  exec: /^[a-z_(@]/u,
  execute: /^[a-z_(@]/u,
  waitfor: /^(?:delay|time)$/u,
  declare: /^@/u,
  truncate: /^table$/u,
}

/** T-SQL needs no semicolon between statements: one may stand right behind the quote that the value closes. */
function judgeUnseparated(view: View, index: number): number {
  if (!view.isBroken || index !== skip(view, 0, closing) || !unseparated.test(word(view, index))) return 0
  const isFollowed = afterUnseparated[word(view, index)]?.test(word(view, index + 1)) ?? true
  return isFollowed && isStatement(view, index) ? 0.85 : 0
}

const beforeQuery =
  /^(?:[=<>(,+*/%|^&-]|\|\||&&|<>|!=|[<>]=|in|exists|any|all|some|or|and|not|from|case|when|if|like|rlike|regexp)$/u

/** A query in parentheses, where a value is due. */
function judgeSubquery(view: View, index: number): number {
  if (word(view, index) !== '(' || word(view, index + 1) !== 'select') return 0
  if (view.isBroken) return 0.88
  return index === 0 || beforeQuery.test(word(view, index - 1)) ? 0.7 : 0
}

/** `case when … then`: a value that depends on a condition. */
function judgeCase(view: View, index: number): number {
  if (word(view, index) !== 'case' || word(view, index + 1) !== 'when') return 0
  const isWhole = view.tokens.slice(index + 2, index + 40).some(each => each.text === 'then')
  if (!isWhole) return 0
  return view.isBroken ? 0.85 : 0.6
}

const bridges = new Set([
  '=',
  '-',
  '+',
  '*',
  '/',
  '^',
  '&',
  '|',
  '%',
  '<',
  '>',
  '||',
  '&&',
  '<>',
  '!=',
  'like',
  'div',
  'mod',
])

/** The literal that an operator behind a closed one opens, which the query closes; of a quote in prose more stands before or behind it. */
function isOpenLiteral({ tokens: [first, next] }: View): boolean {
  if (next?.kind !== 'string' || next.isClosed) return false
  return (first?.at ?? 0) <= 2 && next.text.length <= 4
}

/** `'-'` or `'=0--`: closes the literal, and an operator joins it to one that the query, or a comment, closes. */
function judgeBridge(view: View, index: number): number {
  if (index !== 0 || !view.isBroken || !bridges.has(word(view, 0))) return 0
  const [, next, last] = view.tokens
  if (isLiteral(next) && last?.kind === 'comment') return 0.75
  return isOpenLiteral(view) ? 0.6 : 0
}

/** `1--`: the rest of the query is cut off behind a number. */
function judgeNumberCut(view: View, index: number): number {
  if (index !== 0 || view.tokens[0]?.kind !== 'number') return 0
  const at = skip(view, 1, new Set([')', ';']))
  return at === view.tokens.length - 1 && /^--[\s-]{0,4}$/u.test(view.tokens[at]?.text ?? '') ? 0.55 : 0
}

const judges = [
  judgeUnion,
  judgeCondition,
  judgeCall,
  judgeOrder,
  judgeLimit,
  judgeStacked,
  judgeNulls,
  judgeUnseparated,
  judgeSubquery,
  judgeCase,
  judgeBridge,
  judgeNumberCut,
]

/** `admin'--`: the rest of the query is cut off right behind the quote. */
function judgeCut(view: View): number {
  const early = view.tokens.findIndex(each => each.kind === 'comment')
  if (!view.isBroken || early < 0 || early > 3) return 0
  const between = view.tokens.slice(0, early)
  const isCut = between.every(each => each.text === ')' || each.text === ';' || each.text === "'")
  return isCut && /^(?:--(?:\W|$)|#|\/\*)/u.test(view.tokens[early]?.text ?? '') ? 0.75 : 0
}

function judgeView(view: View): Evidence {
  let best = { score: judgeCut(view), at: view.tokens[0]?.at ?? 0 }
  for (let index = 0; index < view.tokens.length; index += 1) {
    for (const judge of judges) {
      const score = judge(view, index)
      if (score > best.score) best = { score, at: view.tokens[index]?.at ?? 0 }
    }
  }
  return best
}

/** Without comments between words, which are spaces to a database. */
function joined(tokens: readonly SqlToken[]): readonly SqlToken[] {
  return tokens.filter(
    ({ kind, text }, index) => kind !== 'comment' || !text.endsWith('*/') || index === tokens.length - 1,
  )
}

/** The value as it stands, and as it goes on when a quote around it is closed by its own first quote. */
function viewsOf(text: string): readonly View[] {
  const views: View[] = [{ tokens: joined(sqlTokens(text, 0)), isBroken: false }]
  for (const quote of ["'", '"', '`']) {
    const at = text.indexOf(quote)
    if (at >= 0) views.push({ tokens: joined(sqlTokens(text, at + 1)), isBroken: true })
  }
  return views
}

function strongest(evidences: readonly Evidence[]): Evidence {
  return evidences.reduce((best, each) => (each.score > best.score ? each : best), none)
}

/** A value that is meant to be data. */
function judgeValue(text: string): Evidence {
  const found = strongest(viewsOf(text).map(judgeView))
  const isQuery =
    /^\s{0,16}(?:select\s.{1,400}(?:\sfrom\s|@@|\()|select\s+(?:current|session|system)_\w+\s{0,4}(?:;|$)|insert\s+into\s|(?:create|drop|alter)\s+(?:table|database|user|function)\s|delete\s+from\s|(?:backup|restore)\s+(?:database|log)\s.{1,200}\s(?:to|from)\s+\w+\s{0,4}=|exec(?:ute)?\s+\w|if\s{0,4}\()/iu.test(
      text,
    )
  // MySQL runs what stands in such a comment; nothing else has any.
  const isSql = isQuery || /\/\*!/u.test(text)
  return isSql && found.score < 0.7 ? { score: 0.7, at: 0 } : found
}

function isHinted(text: string): boolean {
  return hint.test(text) || connective.test(`${text} `)
}

/** A string inside a query that is itself SQL going on behind its quote. */
function judgeString(found: SqlToken): number {
  // A name or a whole statement between quotes is what databases take there; neither goes on behind it.
  if (found.text.length < 4 || /^[\w.@]{0,64}$|^\s{0,8}(?:select|insert|begin)\b/iu.test(found.text)) return 0
  return isHinted(found.text) ? strongest(viewsOf(found.text).map(judgeView)).score : 0
}

/** Judges what is inside a string of a query; one without an end holds the rest of the query. */
function judgeQueryString(found: SqlToken): number {
  const inside = judgeString(found)
  if (found.isClosed) return inside
  return Math.max(inside, isHinted(found.text) ? 0.75 : 0.55)
}

function judgeQueryWord(view: View, index: number): number {
  const call = judgeCall(view, index)
  const condition = clauses.has(word(view, index)) ? 0 : judgeCondition(view, index)
  return Math.max(call > 0.8 ? call : 0, condition > 0.9 ? 0.75 : 0)
}

function judgeQueryToken(view: View, index: number): number {
  const each = view.tokens[index]
  if (each?.kind === 'string') return judgeQueryString(each)
  // A comment that swallows the quote behind it was not written by whoever opened that quote.
  if (each?.kind === 'comment') return /^(?:--|#)[^\n]{0,40}['"]/u.test(each.text) ? 0.8 : 0
  return judgeQueryWord(view, index)
}

/** A whole query: what is ordinary SQL elsewhere counts only inside its strings, or where quotes and comments do not add up. */
function judgeQuery(text: string): Evidence {
  const view: View = { tokens: sqlTokens(text, 0), isBroken: true }
  return strongest(view.tokens.map((each, index) => ({ score: judgeQueryToken(view, index), at: each.at })))
}

/** What is read of an argument, and from which score on it counts. */
interface Reading {
  readonly texts: readonly string[]
  readonly enough: number
}

/** A document or a program, of which what looks like SQL is one part among others. */
function isDocument({ text, role }: Inspection, isProse: boolean): boolean {
  return role === 'text' && text.length > longestText && (isProse || program.test(text))
}

/** Sentences hold much that looks like SQL; code that a sentence quotes is not run. */
function readingOf(found: Inspection): Reading {
  const { text, role } = found
  const isProse = isSentence(text) && !(role === 'query' && statement.test(text))
  if (isDocument(found, isProse)) return { texts: [], enough: 1 }
  const enough = role === 'text' || isProse ? 0.85 : 0.5
  const shown = isProse ? withoutQuotedCode(text) : text
  if (shown !== text || text.length > longest) return { texts: [shown.slice(0, longest)], enough }
  return { texts: found.readings(), enough }
}

/** SQL injection in an argument: by the grammar of what follows a break-out, not by words. */
export function detectSql(found: Inspection): Span {
  const { text, role, features } = found
  const compares = (features & (role === 'text' ? comparingInProse : comparing | feature.percent)) !== 0
  const { texts, enough } = readingOf(found)
  const judged = texts.map(reading => {
    if (!hint.test(reading) && !(compares && connective.test(`${reading} `))) return none
    return role === 'query' && statement.test(reading) ? judgeQuery(reading) : judgeValue(reading)
  })
  const { score, at } = strongest(judged)
  return score >= enough ? { score, start: at, end: text.length } : noSpan
}
