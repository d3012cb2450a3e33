import { problem, problemOf, type OnProblem } from '../problem.ts'
import { isPromise, type Soon } from '../soon.ts'

interface Fence<V> {
  /** What counts as the verdict where there is none. */
  readonly failure: V
  readonly onProblem: OnProblem
}

/** Longer than any part takes that is well; shorter than the patience of clients. */
const verdictTimeoutMs = 10_000

async function inTime<V>(verdict: Promise<V>, { failure, onProblem }: Fence<V>): Promise<V> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<V>(resolve => {
    timer = setTimeout(() => {
      onProblem(
        problem(
          'SERVICE_ERROR',
          'A part of the guard did not answer in time; what it was asked about was refused.',
        ),
      )
      resolve(failure)
    }, verdictTimeoutMs)
  })
  try {
    return await Promise.race([verdict, late])
  } catch (error) {
    onProblem(problemOf(error, 'A part of the guard failed'))
    return failure
  } finally {
    clearTimeout(timer)
  }
}

/** Asks the parts of a guard. Who asked for a guard wants nothing to pass where it fails. */
export function askFenced<V>(ask: () => Soon<V>, fence: Fence<V>): Soon<V> {
  try {
    const verdict = ask()
    return isPromise(verdict) ? inTime(verdict, fence) : verdict
  } catch (error) {
    fence.onProblem(problemOf(error, 'A part of the guard failed'))
    return fence.failure
  }
}
