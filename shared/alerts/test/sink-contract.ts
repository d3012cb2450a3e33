import { afterEach, describe, expect, test } from 'vitest'
import type { Sink } from '../src/index.ts'
import { digestOf } from '../src/notice.ts'
import { alert, notice } from './alerts.ts'

/** A sink with the place it delivers to. */
export interface SinkLab extends AsyncDisposable {
  readonly sink: Sink
  /** Uids of the alerts that the place took, in order. */
  readonly taken: () => readonly string[]
  /** The next `count` deliveries fail in a way that may pass. */
  readonly failNext: (count: number) => void
  /** From now on deliveries are refused for good. */
  readonly refuse: () => void
}

/** What every sink promises. */
export function testSink(
  name: string,
  open: () => Promise<SinkLab>,
  onDigest: (uid: string) => void = () => undefined,
): void {
  describe(`the ${name} sink`, () => {
    const labs: SinkLab[] = []
    const lab = async (): Promise<SinkLab> => {
      const opened = await open()
      labs.push(opened)
      return opened
    }
    afterEach(async () => {
      for (const each of labs.splice(0)) await each[Symbol.asyncDispose]()
    })
    const { signal } = new AbortController()

    test('delivers an alert once', async () => {
      const { sink, taken } = await lab()
      await sink.deliver(notice(0), signal)
      await sink.deliver(notice(1), signal)
      expect(taken()).toEqual(['alert-0', 'alert-1'])
    })

    test('delivers after failures that pass', async () => {
      const { sink, taken, failNext } = await lab()
      failNext(2)
      await sink.deliver(notice(0), signal)
      expect(taken()).toEqual(['alert-0'])
    })

    test('gives up with a code and without the content of the alert', async () => {
      const { sink, refuse } = await lab()
      refuse()
      const error = await sink.deliver(notice(0), signal).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(error).toMatchObject({ name: 'AppError' })
      expect(JSON.stringify(error) + String(error)).not.toContain('made-up-secret-sentence')
    })

    test('delivers a digest of many alerts as one', async () => {
      const { sink, taken } = await lab()
      const digest = digestOf(
        Array.from({ length: 300 }, (_, seq) => alert(seq, { rule: `rule-${seq % 40}` })),
      )
      onDigest(digest.uid)
      await sink.deliver({ kind: 'digest', digest }, signal)
      expect(taken()).toEqual([digest.uid])
    })

    test('rejects at once when the signal has aborted', async () => {
      const { sink, taken } = await lab()
      await expect(sink.deliver(notice(0), AbortSignal.abort())).rejects.toThrow()
      expect(taken()).toEqual([])
    })
  })
}
