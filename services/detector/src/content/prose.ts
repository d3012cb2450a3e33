const longest = 4096
/** Words that people's sentences are held together by and that query languages, shells and markup do not have. */
const glue =
  /(?:^|\s)(?:the|a|an|of|that|this|these|it|its|you|your|can|cannot|will|would|be|been|are|was|were|which|has|have|must|should|may|we|our|i|my|but|also|because)(?=[\s,.;:!?]|$)/giu
const block = /```[^\n]{0,40}\n[\s\S]{0,4096}?```|```[^`]{0,4096}```/gu
const span = /`[^`\n]{1,200}`/gu

/** Whether the text is made of sentences: several words that only sentences need. */
export function isSentence(text: string): boolean {
  if (text.length < 24) return false
  let found = 0
  for (const _ of text.slice(0, longest).matchAll(glue)) {
    found += 1
    if (found >= 2) return true
  }
  return false
}

function blank(found: string): string {
  return ' '.repeat(found.length)
}

/** The text with quoted code blanked out, every character at its place: who writes about code runs none. */
export function withoutQuotedCode(text: string): string {
  if (!text.includes('`')) return text
  return text.replaceAll(block, blank).replaceAll('```', '   ').replaceAll(span, blank)
}
