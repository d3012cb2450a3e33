import type { AdminLane } from '@muniment/interceptor/admin'
import type { ReadFacts } from '@muniment/query'
import type { Config } from '@muniment/runtime'
import { isAppError, type AppError } from '@muniment/schema'
import { actEvent, openActs, type Act } from './acts.ts'
import { safe, type Printer } from './print.ts'
import { sqlOutline } from './sql-outline.ts'

/** Records who read what. */
export interface ReadLog extends AsyncDisposable {
  /** Never rejects: an archive must stay readable where its bus is gone, so what cannot be recorded is told instead. */
  readonly record: (act: Act) => Promise<void>
}

/** Tells a person that a read could not be recorded, and why. */
export function unrecorded({ say }: Printer): (error: AppError) => void {
  return ({ message, hint }) => say(`This read is not recorded: ${safe(message)}\n  → ${safe(hint)}`)
}

/** A read of the query engine as an act. */
export function readAct(read: ReadFacts): Act {
  const tenants = read.tenants ?? 'all'
  const { by } = read
  const who = by && { by: { ...by, scopes: [...(by.scopes ?? [])] } }
  if (read.kind === 'show') return { name: 'read.show', target: read.id, details: { tenants }, ...who }
  const { sql, filters } = read.question
  const asked = sql === undefined ? { filters } : { sql: sqlOutline(sql) }
  return { name: 'read.query', target: filters?.view ?? 'sql', details: { ...asked, tenants }, ...who }
}

/** A page that is left open asks the same again and again; that is one read. */
const sameReadMs = 600_000
const maxRemembered = 1000
const instants = /\d{4}-\d{2}-\d{2}T[\d:.]+Z|\d{12,}/gu

/** Whether the same was not asked just now, whatever the time that it was asked for. */
function createNews(nowMs: () => number): (act: Act) => boolean {
  const asked = new Map<string, number>()
  return act => {
    const key = JSON.stringify(act).replaceAll(instants, '')
    const isNews = (asked.get(key) ?? -Infinity) + sameReadMs <= nowMs()
    if (asked.size >= maxRemembered) asked.clear()
    if (isNews) asked.set(key, nowMs())
    return isNews
  }
}

/** A log of reads in this process's lane, opened with the first of them. */
export function createReadLog(config: Config, onUnrecorded: (error: AppError) => void): ReadLog {
  let opening: Promise<AdminLane> | undefined
  const isNews = createNews(Date.now)
  return {
    async record(act) {
      // Whoever comes from outside is recorded each time.
      if (act.by === undefined && !isNews(act)) return
      try {
        opening ??= openActs(config)
        await (await opening).record(actEvent(act))
      } catch (error) {
        if (!isAppError(error)) throw error
        onUnrecorded(error)
      }
    },
    async [Symbol.asyncDispose]() {
      const opened = await opening?.catch(() => undefined)
      await opened?.[Symbol.asyncDispose]()
    },
  }
}
