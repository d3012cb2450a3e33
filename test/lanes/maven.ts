// Jars by Maven: what a pom names, with all that they need, in one folder.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runProgram } from './cache.ts'

const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'

/** A library of Java. */
export interface Library {
  readonly group: string
  readonly artifact: string
  readonly version: string
}

function pomOf(libraries: readonly Library[]): string {
  const dependencies = libraries.map(
    ({ group, artifact, version }) =>
      `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`,
  )
  return `<project><modelVersion>4.0.0</modelVersion>
  <groupId>dev.muniment.test</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>${dependencies.join('')}</dependencies></project>
`
}

/** Fetches the libraries, and what they need at run time, into a folder that is made for them. */
export async function fetchJars(target: string, libraries: readonly Library[]): Promise<void> {
  const pom = join(dirname(target), 'pom.xml')
  mkdirSync(target)
  writeFileSync(pom, pomOf(libraries))
  const goal = [plugin, '-DincludeScope=runtime', `-DoutputDirectory=${target}`]
  await runProgram('mvn', ['-B', '-q', '-f', pom, ...goal])
}
