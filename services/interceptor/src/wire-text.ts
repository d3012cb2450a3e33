import type { Members } from './json.ts'

const texts = new WeakMap<Members, string>()

/** Remembers the text that a message was read from, or is to be written as: numbers and spelling in it are the sender's own. */
export function keepText<T extends Members>(message: T, text: string): T {
  texts.set(message, text)
  return message
}

/** A message as it is on the wire. */
export function textOf(message: Members): string {
  return texts.get(message) ?? JSON.stringify(message)
}
