const hourMs = 3_600_000
const dayMs = 86_400_000
/** Each hour (UTC) of working days, then each of weekends. */
export const slots = 48

/** The place of a time in a week's rhythm. */
export function slotOf(timeMs: number): number {
  // Day 0 of the epoch was a Thursday.
  const weekday = (Math.floor(timeMs / dayMs) + 4) % 7
  const isWeekend = weekday === 0 || weekday === 6
  return (Math.floor(timeMs / hourMs) % 24) + (isWeekend ? 24 : 0)
}

/** The place as people say it. */
export function slotName(slot: number): string {
  return `on ${slot < 24 ? 'weekdays' : 'weekends'} around ${String(slot % 24).padStart(2, '0')}:00 UTC`
}
