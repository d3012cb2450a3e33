import { openMemoryBus } from './memory.ts'
import type { Bus } from './bus.ts'
import type { BusDeps, MemoryConfig } from './config.ts'

/** Opens the bus that the configuration names; clients and databases load on first use. */
export async function openBus(config: MemoryConfig, deps: BusDeps = {}): Promise<Bus> {
  return openMemoryBus(config, deps)
}
