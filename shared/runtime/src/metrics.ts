import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { AppError } from '@muniment/schema'

/** Labels of a metric with every value that each may have; any other value is counted as `other`, so that no input can make series without end. */
export type LabelSets = Readonly<Record<string, readonly string[]>>

/** One metric. The name ends in its unit: `_ms`, `_bytes`, `_ratio`, `_count`, or `_total` for counters; `muniment_` is put before it. */
export interface MetricSpec {
  readonly name: string
  readonly help: string
  readonly labels?: LabelSets
}

/** Values for the labels of one measurement. */
export type LabelValues = Readonly<Record<string, string>>

/** Measurements of one process, in the form that Prometheus reads. Declaring a metric again gives the same one. */
export interface Metrics {
  /** Something that only grows. */
  readonly counter: (spec: MetricSpec) => (by: number, labels?: LabelValues) => void
  /** Something that goes up and down. */
  readonly gauge: (spec: MetricSpec) => (value: number, labels?: LabelValues) => void
  /** How values are distributed; `buckets` are upper bounds, ascending. */
  readonly histogram: (
    spec: MetricSpec & { readonly buckets: readonly number[] },
  ) => (value: number, labels?: LabelValues) => void
  readonly render: () => Promise<string>
  readonly contentType: string
}

const prefix = 'muniment_'
const form = /^[a-z][a-z0-9_]*_(?:ms|bytes|ratio|count|total)$/u
const other = 'other'

function fullName({ name }: MetricSpec, isCounter: boolean): string {
  if (form.test(name) && name.endsWith('_total') === isCounter) return `${prefix}${name}`
  throw new AppError(
    'INVALID_INPUT',
    `${JSON.stringify(name)} cannot be the name of a metric: it must end in its unit.`,
  )
}

function closed(sets: LabelSets, labels: LabelValues): Record<string, string> {
  const values: Record<string, string> = {}
  for (const [label, allowed] of Object.entries(sets)) {
    const value = labels[label] ?? other
    values[label] = allowed.includes(value) ? value : other
  }
  return values
}

type Kind = 'counter' | 'gauge' | 'histogram'
type Measure = (value: number, labels?: LabelValues) => void
type Write = (value: number, labels: Record<string, string>) => void

/** What prom-client needs of every metric; its types want the lists mutable. */
interface Base {
  readonly name: string
  readonly help: string
  labelNames: string[]
  registers: Registry[]
}

const makers: Readonly<Record<Kind, (base: Base, buckets: readonly number[]) => Write>> = {
  counter: base => {
    const metric = new Counter(base)
    return (value, labels) => {
      metric.inc(labels, value)
    }
  },
  gauge: base => {
    const metric = new Gauge(base)
    return (value, labels) => {
      metric.set(labels, value)
    }
  },
  histogram: (base, buckets) => {
    const metric = new Histogram({ ...base, buckets: [...buckets] })
    return (value, labels) => {
      metric.observe(labels, value)
    }
  },
}

/** Metrics of this process; `withProcess` adds memory, CPU and event loop under Prometheus's own names. */
export function createMetrics(options: { readonly withProcess?: boolean } = {}): Metrics {
  const registry = new Registry()
  const declared = new Map<string, { readonly kind: Kind; readonly record: Measure }>()
  if (options.withProcess === true) collectDefaultMetrics({ register: registry })

  function declare(kind: Kind, spec: MetricSpec, buckets: readonly number[] = []): Measure {
    const name = fullName(spec, kind === 'counter')
    const had = declared.get(name)
    if (had?.kind === kind) return had.record
    if (had !== undefined) throw new AppError('INVALID_INPUT', `The metric ${name} is a ${had.kind} already.`)
    const { help, labels: sets = {} } = spec
    const write = makers[kind]({ name, help, labelNames: Object.keys(sets), registers: [registry] }, buckets)
    const record: Measure = (value, labels = {}) => {
      write(value, closed(sets, labels))
    }
    declared.set(name, { kind, record })
    return record
  }

  return {
    counter: spec => declare('counter', spec),
    gauge: spec => declare('gauge', spec),
    histogram: spec => declare('histogram', spec, spec.buckets),
    render: async () => await registry.metrics(),
    contentType: registry.contentType,
  }
}
