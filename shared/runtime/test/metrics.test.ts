import { describe, expect, test } from 'vitest'
import { createMetrics } from '../src/index.ts'

describe('metrics', () => {
  test('are printed as Prometheus reads them, under our prefix', async () => {
    const metrics = createMetrics()
    const count = metrics.counter({
      name: 'masked_total',
      help: 'Masked.',
      labels: { outcome: ['ok', 'failed'] },
    })
    count(2, { outcome: 'ok' })
    count(1, { outcome: 'ok' })
    metrics.gauge({ name: 'ring_bytes', help: 'Waiting.' })(42)
    metrics.histogram({ name: 'cut_ms', help: 'Cuts.', buckets: [10, 100] })(50)
    const text = await metrics.render()
    expect(text).toContain('muniment_masked_total{outcome="ok"} 3')
    expect(text).toContain('muniment_ring_bytes 42')
    expect(text).toContain('muniment_cut_ms_bucket{le="100"} 1')
  })

  test('keep their label values closed, so that no input makes series without end', async () => {
    const metrics = createMetrics()
    const count = metrics.counter({ name: 'calls_total', help: 'Calls.', labels: { kind: ['call'] } })
    for (let index = 0; index < 1000; index += 1) count(1, { kind: `made-up-${index}`, another: 'x' })
    count(1)
    const series = (await metrics.render())
      .split('\n')
      .filter(line => line.startsWith('muniment_calls_total'))
    expect(series).toEqual(['muniment_calls_total{kind="other"} 1001'])
  })

  test('declared twice are one; as another kind, or without unit, they are refused', async () => {
    const metrics = createMetrics()
    metrics.counter({ name: 'a_total', help: 'A.' })(1)
    metrics.counter({ name: 'a_total', help: 'A.' })(1)
    expect(await metrics.render()).toContain('muniment_a_total 2')
    metrics.gauge({ name: 'b_bytes', help: 'B.' })
    expect(() => metrics.histogram({ name: 'b_bytes', help: 'B.', buckets: [1] })).toThrow('already')
    for (const name of ['calls', 'calls_seconds', 'Calls_ms', 'x_total'])
      expect(() => metrics.gauge({ name, help: 'No.' })).toThrow('unit')
    expect(() => metrics.counter({ name: 'x_bytes', help: 'No.' })).toThrow('unit')
  })

  test('of the process itself come on request', async () => {
    expect(await createMetrics({ withProcess: true }).render()).toContain('process_resident_memory_bytes')
    expect(await createMetrics().render()).not.toContain('process_')
  })
})
