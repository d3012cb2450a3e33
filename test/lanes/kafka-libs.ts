// Kafka's own jars, fetched once by Maven, and how to start a JVM on them cheaply.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { install, toolPath, type Progress } from './cache.ts'
import { fetchJars, type Library } from './maven.ts'

// 4.4.0 was listed on 2026-11-20 but did not resolve: kafka-tools-api was missing.
const version = '4.3.1'
const name = `kafka-${version}`
const libraries: readonly Library[] = [{ group: 'org.apache.kafka', artifact: 'kafka_2.13', version }]

/** A small heap, one collector thread and the first compiler only: a broker in 2-5 s and 150 MB. */
export const jvmFlags: readonly string[] = [
  '-Xms64m',
  '-Xmx256m',
  '-Xss512k',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Djava.awt.headless=true',
]

/** Whether the jars are in the cache. */
export function hasKafkaLibs(): boolean {
  return existsSync(toolPath(name))
}

/** Fetches the jars (about 45 MB) unless the cache has them. */
export async function installKafkaLibs(progress: Progress): Promise<void> {
  await install(
    {
      name,
      title: `Kafka ${version}: fetching 45 jars (44 MB) by Maven`,
      make: target => fetchJars(target, libraries),
    },
    progress,
  )
}

/** The class path, always in the same order: a class archive is valid for one order only. */
export function classPath(): string {
  const folder = toolPath(name)
  return readdirSync(folder)
    .filter(file => file.endsWith('.jar'))
    .toSorted()
    .map(file => join(folder, file))
    .join(':')
}

/** A snapshot of the broker's loaded classes, which halves its start; the JVM goes on without where it does not fit. */
export const classArchive = {
  path: (): string => toolPath(`${name}.jsa`),
  use: (): readonly string[] => {
    const file = toolPath(`${name}.jsa`)
    return existsSync(file) ? [`-XX:SharedArchiveFile=${file}`, '-Xshare:auto'] : []
  },
  write: (file: string): readonly string[] => [`-XX:ArchiveClassesAtExit=${file}`],
}
