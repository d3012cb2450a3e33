import type { Bus } from './bus.ts'
import type { BusConfig, BusDeps } from './config.ts'

/** Opens the bus that the configuration names; clients and databases load on first use. Throws `CONFIG_INVALID` or `DISK_UNUSABLE`. */
export async function openBus(config: BusConfig, deps: BusDeps = {}): Promise<Bus> {
  if (config.kind === 'memory') {
    const { openMemoryBus } = await import('./memory.ts')
    return openMemoryBus(config, deps)
  }
  if (config.kind === 'embedded') {
    const { openEmbeddedBus } = await import('./embedded.ts')
    return await openEmbeddedBus(config, deps)
  }
  const { openKafkaBus } = await import('./kafka.ts')
  return await openKafkaBus(config, deps)
}
