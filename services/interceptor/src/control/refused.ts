import { problem, type OnProblem } from '../problem.ts'

/** Tells of decisions that somebody sent who must not. */
export function tellRefused(count: number, onProblem: OnProblem): void {
  if (count === 0) return
  onProblem(
    problem(
      'ACCESS_DENIED',
      `${count} control decisions were refused: they are none, or nobody with a control key signed them.`,
      'Find out who can write to the control topic, and check MUNIMENT_CONTROL_KEY.',
    ),
  )
}
