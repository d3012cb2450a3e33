import { openDeadLetter, replayOf } from '@muniment/bus'
import { deadLetterTopic, topic } from '@muniment/schema'
import type { Broker } from './broker.ts'

/** Sends every dead letter through again, as `muniment dlq replay --all` does; those of a replay stand for the same batch. */
export function replayLetters({ logs, append, surroundings: { trace } }: Broker): void {
  const letters = (logs.get(deadLetterTopic(topic.raw)) ?? []).flatMap(log => log.slice())
  trace('operator', `replays ${letters.length}`)
  for (const record of letters) {
    const letter = openDeadLetter(record)
    if (letter?.original.headers['mun_replay'] === undefined && letter)
      append(letter.topic, [replayOf(letter)])
  }
}
