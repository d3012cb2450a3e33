// How hard a secret is to guess, as far as its text can tell: a bound from above, so what is weak here is weak.

const minLength = 32
const minBits = 96
const commonWords =
  /change.?me|default|dummy|example|insecure|passw|placeholder|qwert|secret|test|your|12345|abcde/iu

/** Bits per symbol of what occurs how often. */
function entropyBits(symbols: readonly (string | number)[]): number {
  const counts = new Map<string | number, number>()
  for (const symbol of symbols) counts.set(symbol, (counts.get(symbol) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= (count / symbols.length) * Math.log2(count / symbols.length)
  return bits
}

/** How much of a text is left when what it repeats is told once. */
function period(text: string): number {
  return (text + text).indexOf(text, 1)
}

function guessBits(text: string): number {
  const once = text.slice(0, period(text))
  const codes = Array.from(once, character => character.codePointAt(0) ?? 0)
  // In abcdef… every character is new, but every step is the same.
  const steps = codes.slice(1).map((code, at) => code - (codes[at] ?? 0))
  return once.length * Math.min(entropyBits(codes), steps.length === 0 ? 0 : entropyBits(steps))
}

/** Why a secret can be guessed; `undefined` where nothing says so. Tells nothing of its text. */
export function whyGuessable(secret: string): string | undefined {
  if (secret.length < minLength) return `has ${secret.length} characters; at least ${minLength} are needed`
  if (guessBits(secret) < minBits) return 'repeats itself or counts up, so that it can be guessed'
  if (commonWords.test(secret) && guessBits(secret.replace(commonWords, '')) < minBits)
    return 'is mostly words from examples'
  return undefined
}
