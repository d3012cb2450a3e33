import { parseEntry, parseHeartbeat } from '../format/entry.ts'
import type { CommittedManifest } from '../format/manifest.ts'
import { manifestKey } from '../format/paths.ts'
import type { WitnessedHead } from './cosigned.ts'
import { positionOf } from './cut-working.ts'
import type { FindingCode, Findings } from './report.ts'

/** The log and who saw it when. */
interface ClockInput {
  /** Entries below the checkpoint. */
  readonly entries: readonly Buffer[]
  readonly committed: ReadonlyMap<string, CommittedManifest>
  readonly heads: readonly WitnessedHead[]
}

/** Clocks of honest machines disagree, and one that is wrong for a while must not spoil an archive for ever. */
const skewMs = 3_600_000
const noteworthyMs = 300_000

/** A time by which the entries below `size` were in the log, and the others were not. */
interface Sighting {
  readonly size: number
  readonly earliestMs: number
  readonly latestMs: number
  readonly who: string
}

function sightings(heads: readonly WitnessedHead[]): readonly Sighting[] {
  return heads
    .filter(({ cosignatures }) => cosignatures.length > 0)
    .map(({ treeSize, cosignatures }) => {
      const times = cosignatures.map(({ time }) => time * 1000)
      const who = cosignatures.map(({ name }) => name).join(', ')
      return { size: treeSize, earliestMs: Math.min(...times), latestMs: Math.max(...times), who }
    })
    .toSorted((a, b) => a.size - b.size)
}

function utc(ms: number): string {
  return new Date(ms).toISOString()
}

function add(
  findings: Findings,
  code: FindingCode,
  { at, reason }: { at: CommittedManifest; reason: string },
): void {
  const list = code === 'clock.skew' ? findings.notes : findings.problems
  list.push({ code, object: at.key, reason, range: positionOf(at) })
}

/** What an honest clock cannot have been behind: what the log held before, and when somebody saw it without this entry. */
interface Floor {
  ms: number
  who: string
}

function raise(floor: Floor, ms: number, who: string): void {
  if (ms > floor.ms) Object.assign(floor, { ms, who })
}

function checkFloor(findings: Findings, at: CommittedManifest, floor: Floor): void {
  const { sealed_ms: sealedMs } = at.manifest.clocks
  const behindMs = floor.ms - sealedMs
  if (behindMs <= noteworthyMs) return
  const reason = `says that it was sealed at ${utc(sealedMs)}, but ${floor.who} at ${utc(floor.ms)} came before it`
  add(findings, behindMs > skewMs ? 'clock.backdated' : 'clock.skew', { at, reason })
}

/** A witness cannot have seen what was sealed later. */
function checkCeiling(findings: Findings, at: CommittedManifest, sighting: Sighting | undefined): void {
  const { sealed_ms: sealedMs } = at.manifest.clocks
  if (sighting === undefined || sealedMs <= sighting.latestMs + skewMs) return
  const reason = `says that it was sealed at ${utc(sealedMs)}, but ${sighting.who} saw it by ${utc(sighting.latestMs)}`
  add(findings, 'clock.ahead', { at, reason })
}

/** Producers' and brokers' clocks against the archiver's: an event may arrive late, never early. */
function checkOwn(findings: Findings, at: CommittedManifest): void {
  const { event, append, sealed_ms: sealedMs } = at.manifest.clocks
  const latestMs = Math.max(event?.max_ms ?? 0, append?.max_ms ?? 0)
  if (latestMs <= sealedMs + noteworthyMs) return
  add(findings, 'clock.skew', { at, reason: `holds records of ${utc(latestMs)}, after it was sealed` })
}

/** Compares the times in manifests with the order of the log and with the times of its heartbeats and witnesses. */
export function checkClocks({ entries, committed, heads }: ClockInput, findings: Findings): void {
  const seen = sightings(heads)
  const floor: Floor = { ms: 0, who: '' }
  let nextSighting = 0
  for (const [index, bytes] of entries.entries()) {
    for (; (seen[nextSighting]?.size ?? Infinity) <= index; nextSighting++) {
      const sighting = seen[nextSighting]
      if (sighting) raise(floor, sighting.earliestMs, `the cosignature of ${sighting.who}`)
    }
    const beatMs = parseHeartbeat(bytes)
    if (beatMs !== undefined) raise(floor, beatMs, 'a heartbeat of the log')
    const entry = parseEntry(bytes)
    const at = entry && committed.get(manifestKey(entry.topic, entry.partition, entry.firstOffset))
    if (at === undefined) continue
    checkFloor(findings, at, floor)
    checkCeiling(findings, at, seen[nextSighting])
    checkOwn(findings, at)
    raise(floor, at.manifest.clocks.sealed_ms, at.key)
  }
}
