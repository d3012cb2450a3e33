// parquet-java, a reader and writer of encrypted Parquet that somebody else wrote: the one that Spark has.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { install, toolPath, type Progress } from './cache.ts'
import { fetchJars, type Library } from './maven.ts'

const version = '1.16.0'
const hadoopVersion = '3.4.1'
const name = `parquet-java-${version}-${hadoopVersion}`
const source = fileURLToPath(new URL('../judges/ParquetJudge.java', import.meta.url))

const libraries: readonly Library[] = [
  { group: 'org.apache.parquet', artifact: 'parquet-hadoop', version },
  { group: 'org.apache.hadoop', artifact: 'hadoop-client-api', version: hadoopVersion },
  { group: 'org.apache.hadoop', artifact: 'hadoop-client-runtime', version: hadoopVersion },
]

/** Fetches the jars (68 MB) by Maven unless the cache has them. */
export async function installParquetJava(progress: Progress): Promise<void> {
  await install(
    {
      name,
      title: `parquet-java ${version}: fetching 17 jars (68 MB) by Maven`,
      make: target => fetchJars(target, libraries),
    },
    progress,
  )
}

/** Whether the jars are in the cache. */
export function isParquetJavaInstalled(): boolean {
  return existsSync(toolPath(name))
}

/** Arguments of `java` for the judge: one program in one file, compiled as it starts. */
export function parquetJudge(...args: readonly string[]): readonly string[] {
  return ['-XX:TieredStopAtLevel=1', '-cp', join(toolPath(name), '*'), source, ...args]
}
