import { stages, type GuardPart } from '@muniment/interceptor/guard'

/** What `--fail-closed` adds is no part that anybody switches on here. */
const parts = stages.filter(name => name !== 'record')

/** Which parts of the guard stand, in their order, and which do not: what is off by mistake must not look as if it were on. */
export function guardLine(guard: readonly GuardPart[]): string {
  const isOn = (name: string): boolean => guard.some(({ stage }) => stage === name)
  const [on, off] = [parts.filter(isOn), parts.filter(name => !isOn(name))]
  if (on.length === 0) return 'Guard: off; whoever reaches this address may call.'
  return `Guard: ${on.join(' → ')}${off.length === 0 ? '' : `; off: ${off.join(', ')}`}.`
}
