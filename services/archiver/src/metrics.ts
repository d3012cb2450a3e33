import type { LabelSets, Metrics } from '@muniment/runtime'
import { topic } from '@muniment/schema'
import type { PartitionEvent } from './partition.ts'

const labels: LabelSets = { topic: [topic.events, topic.alerts, topic.control] }

/** Measures what the archiver does. */
export function createArchiverMetrics(
  metrics: Metrics,
  nowMs: () => number,
): (event: PartitionEvent) => void {
  const records = metrics.counter({ name: 'archiver_records_total', help: 'Records archived.', labels })
  const duplicates = metrics.counter({
    name: 'archiver_duplicates_total',
    help: 'Records that the archive had already.',
    labels,
  })
  const cuts = metrics.counter({ name: 'archiver_cuts_total', help: 'Cuts committed.', labels })
  const lost = metrics.counter({
    name: 'archiver_cuts_lost_total',
    help: 'Cuts that another archiver committed first.',
    labels,
  })
  const age = metrics.histogram({
    name: 'archiver_record_age_ms',
    help: 'Time between the append of the oldest record of a cut and its commit.',
    buckets: [500, 1000, 2000, 3000, 5000, 10_000, 60_000, 600_000],
    labels,
  })
  return event => {
    if (event.kind !== 'committed' && event.kind !== 'lost') return
    const at = { topic: event.place.topic }
    const { counts, clocks } = event.manifest.manifest
    if (event.kind === 'lost') {
      lost(1, at)
      return
    }
    cuts(1, at)
    records(counts.archived, at)
    duplicates(counts.duplicates, at)
    if (clocks.append !== null) age(nowMs() - clocks.append.min_ms, at)
  }
}
