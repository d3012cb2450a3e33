import { decisionKey, type Decision } from '@muniment/schema'
import { safe, type Style } from './print.ts'

const minuteMs = 60_000

function left(expires: string): string {
  const minutes = Math.max(0, Math.round((Date.parse(expires) - Date.now()) / minuteMs))
  if (minutes < 120) return `${minutes} min left`
  return minutes < 2880 ? `${Math.round(minutes / 60)} h left` : `${Math.round(minutes / 1440)} days left`
}

/** A decision in one line: what is done, about what, for how long, by whom and why. */
export function decisionLine(decision: Decision, style: Style): string {
  const { action, would, rate_per_minute: rate, rule, reason, expires } = decision
  const what = would === undefined ? action : `would ${would}`
  const speed = rate === undefined ? '' : ` to ${rate}/min`
  const by = rule === undefined ? 'operator' : `rule ${rule}`
  const colour = action === 'observe' ? 'dim' : 'red'
  return `${style(colour, `${what}${speed}`)}  ${style('bold', safe(decisionKey(decision)))}  ${left(expires)}  ${safe(`${by}: ${reason}`)}`
}
