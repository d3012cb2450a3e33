import type { Bus } from './bus.ts'
import type { BusDeps, EmbeddedConfig, MemoryConfig } from './config.ts'

/** Opens the bus that the configuration names; clients and databases load on first use. */
export async function openBus(config: MemoryConfig | EmbeddedConfig, deps: BusDeps = {}): Promise<Bus> {
  if (config.kind === 'memory') {
    const { openMemoryBus } = await import('./memory.ts')
    return openMemoryBus(config, deps)
  }
  const { openEmbeddedBus } = await import('./embedded.ts')
  return await openEmbeddedBus(config, deps)
}
