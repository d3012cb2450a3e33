/** The slowest text that was found, and what it takes. */
export interface Worst {
  readonly ms: number
  readonly text: string
}

const size = 50_000
/** Words and signs that begin, explain or end something; what they are joined to is left to the search. */
const pieces = (
  '@ a@ a@b. .com x. 1 12 555 123-45- 4111 1111 +1 +49 ( ) - . / : :: fe80: 1:2: % %40 &#64; & ; # [ [EMAIL] ] { } " \\ \\u0031 \\n , | ' +
  'DE89 GB 0044 P<USA < << ghp_ sk- eyJ -----BEGIN password= token: key passport ssn card phone call fax tel iban born dob 1990-01-01 ' +
  '12/31/ Jan Mr. Dear name street Old Mill Road St Apt 5 IL 62704 PO Box N W rue straße via calle 10 ul. http:// https:// user:pw@ ' +
  '/path ?q= AAAA QUJD== ab12 é １ \u{200b} \u{2013} 🙂 NHS 192.168. 1.1.1.1 v1.2 order id the of'
).split(' ')
const joints = [' ', '', '\n', ', ', '-', '.', '":"', '\\n']

/** A generator of numbers in 0..1, the same in every run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7f_ff_ff_ff
    return state / 0x7f_ff_ff_ff
  }
}

/** How a text of the given size is made: a frame round a few pieces that repeat. */
interface Recipe {
  readonly pieces: readonly string[]
  readonly joint: string
  readonly frame: number
}

const frames: ReadonlyArray<(body: string) => string> = [
  body => body,
  body => JSON.stringify({ note: body }),
  body => JSON.stringify({ result: { content: [{ type: 'text', text: JSON.stringify({ value: body }) }] } }),
  body => JSON.stringify(body.match(/.{1,12}/gsu) ?? []),
  body => `{"passport":"${body}`,
]

function textOf({ pieces: parts, joint, frame }: Recipe): string {
  const once = parts.join(joint) + joint
  return (frames[frame] ?? String)(once.repeat(Math.ceil(size / once.length)).slice(0, size)).slice(0, size)
}

type Random = () => number

const oneOf = <T>(random: Random, list: readonly [T, ...T[]] | readonly T[], otherwise: T): T =>
  list[Math.floor(random() * list.length)] ?? otherwise

function fresh(random: Random): Recipe {
  const count = 1 + Math.floor(random() * 4)
  return {
    pieces: Array.from({ length: count }, () => oneOf(random, pieces, ' ')),
    joint: oneOf(random, joints, ' '),
    frame: Math.floor(random() * frames.length),
  }
}

/** One small change: a piece more, less or another, another joint, another frame, or a slice of a piece. */
function mutated(recipe: Recipe, random: Random): Recipe {
  const at = Math.floor(random() * recipe.pieces.length)
  const piece = oneOf(random, pieces, ' ')
  const changes: readonly (() => Recipe)[] = [
    () => ({ ...recipe, pieces: recipe.pieces.with(at, piece) }),
    () => ({ ...recipe, pieces: recipe.pieces.toSpliced(at, 0, piece) }),
    () => ({ ...recipe, pieces: recipe.pieces.length > 1 ? recipe.pieces.toSpliced(at, 1) : recipe.pieces }),
    () => ({
      ...recipe,
      pieces: recipe.pieces.with(at, (recipe.pieces[at] ?? ' ').slice(0, 1 + Math.floor(random() * 3))),
    }),
    () => ({ ...recipe, joint: oneOf(random, joints, ' ') }),
    () => ({ ...recipe, frame: Math.floor(random() * frames.length) }),
  ]
  return oneOf(random, changes, () => recipe)()
}

/** CPU time of this thread: others that want the processor do not count. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Least of a few runs, so that a busy machine is not taken for a slow text; what is no slower than `known` is not tried again. */
function msOf(work: (text: string) => unknown, text: string, known: number): number {
  let least = Infinity
  for (let turn = 0; turn < 6 && least > known; turn++) {
    const before = cpuMs()
    work(text)
    least = Math.min(least, cpuMs() - before)
  }
  return least
}

const firstTried = 200
const generations = 20
const kept = 8
const childrenPerParent = 4

interface Rated {
  readonly recipe: Recipe
  readonly ms: number
}

/** Searches for the text of 50 KB that takes longest: random ones first, then small changes of the slowest, again and again. */
export function worstInput(work: (text: string) => unknown): Worst {
  const random = seeded(11)
  let best: readonly Rated[] = []
  const take = (recipes: readonly Recipe[]): void => {
    const bar = best.at(-1)?.ms ?? 0
    const rated = recipes.map(recipe => ({ recipe, ms: msOf(work, textOf(recipe), bar) }))
    best = [...best, ...rated].toSorted((a, b) => b.ms - a.ms).slice(0, kept)
  }
  for (let tried = 0; tried < firstTried; tried += kept)
    take(Array.from({ length: kept }, () => fresh(random)))
  for (let generation = 0; generation < generations; generation++)
    take(
      best.flatMap(({ recipe }) => Array.from({ length: childrenPerParent }, () => mutated(recipe, random))),
    )
  const text = textOf(best[0]?.recipe ?? { pieces: [' '], joint: '', frame: 0 })
  return { ms: msOf(work, text, 0), text }
}
