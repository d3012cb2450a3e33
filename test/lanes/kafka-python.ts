// A Kafka client that somebody else wrote, in another language.
import { existsSync } from 'node:fs'
import type { Progress } from './cache.ts'
import { installPython, pythonOf } from './python.ts'

const version = '3.0.12'
const kafkaPython = {
  name: `kafka-python-${version}`,
  title: `kafka-python ${version}: installing from PyPI`,
  packages: [`kafka-python==${version}`, 'zstandard==0.25.0'],
}

/** Installs kafka-python, and what it needs for compressed records, unless the cache has them. */
export async function installKafkaPython(progress: Progress): Promise<void> {
  await installPython(kafkaPython, progress)
}

/** Whether kafka-python has been installed. */
export function isKafkaPythonInstalled(): boolean {
  return existsSync(pythonWithKafka())
}

/** The Python that has it. */
export function pythonWithKafka(): string {
  return pythonOf(kafkaPython)
}
