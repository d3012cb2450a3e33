// parquet-java, a reader and writer of encrypted Parquet that somebody else wrote: the one that Spark has.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { install, runProgram, toolPath, type Progress } from './cache.ts'

const version = '1.16.0'
const hadoopVersion = '3.4.1'
const name = `parquet-java-${version}-${hadoopVersion}`
const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
const source = fileURLToPath(new URL('../judges/ParquetJudge.java', import.meta.url))

function dependency(group: string, artifact: string, of: string): string {
  return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${of}</version></dependency>`
}

const project = `<project><modelVersion>4.0.0</modelVersion>
  <groupId>dev.muniment.test</groupId><artifactId>parquet</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    ${dependency('org.apache.parquet', 'parquet-hadoop', version)}
    ${dependency('org.apache.hadoop', 'hadoop-client-api', hadoopVersion)}
    ${dependency('org.apache.hadoop', 'hadoop-client-runtime', hadoopVersion)}
  </dependencies></project>
`

/** Fetches the jars (68 MB) by Maven unless the cache has them. */
export async function installParquetJava(progress: Progress): Promise<void> {
  await install(
    {
      name,
      title: `parquet-java ${version}: fetching 17 jars (68 MB) by Maven`,
      make: async target => {
        const pom = join(dirname(target), 'pom.xml')
        mkdirSync(target)
        writeFileSync(pom, project)
        const goal = [plugin, '-DincludeScope=runtime', `-DoutputDirectory=${target}`]
        await runProgram('mvn', ['-B', '-q', '-f', pom, ...goal])
      },
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
