// The lanes and what each needs on the machine.
import { installAicsTlog, isAicsTlogInstalled } from './aics-tlog.ts'
import { installBrowser, isBrowserInstalled } from './browser.ts'
import type { Progress } from './cache.ts'
import { installConformance, isConformanceInstalled } from './conformance.ts'
import { findProgram } from './environment.ts'
import { installInspector, isInspectorInstalled } from './inspector.ts'
import { areJudgesInstalled, installJudges } from './judges.ts'
import { installKafka, isKafkaInstalled } from './kafka.ts'
import { installKafkaPython, isKafkaPythonInstalled } from './kafka-python.ts'
import { areNodesInstalled, installNodes } from './nodes.ts'
import { installParquetJava, isParquetJavaInstalled } from './parquet-java.ts'
import { installPyArrow, isPyArrowInstalled } from './pyarrow.ts'
import { installS3, isS3Installed } from './s3.ts'
import { installSecrets, isSecretsInstalled } from './secrets.ts'

export type LaneName =
  | 'kafka'
  | 's3'
  | 'secrets'
  | 'browser'
  | 'judges'
  | 'conformance'
  | 'inspector'
  | 'nodes'
  | 'pyarrow'
  | 'kafka-python'
  | 'parquet-java'
  | 'aics-tlog'

interface Tools {
  /** Programs that must be on the path to install the tools. */
  readonly installers: readonly string[]
  /** Programs that must be on the path to use them. */
  readonly programs: readonly string[]
  /** What a person who installs it pays. */
  readonly cost: string
  readonly isInstalled: () => boolean
  readonly install: (progress: Progress) => Promise<void>
}

export const laneTools: Readonly<Record<LaneName, Tools>> = {
  kafka: {
    installers: ['mvn', 'java', 'openssl'],
    programs: ['java', 'openssl'],
    cost: '44 MB, 20 s',
    isInstalled: isKafkaInstalled,
    install: installKafka,
  },
  s3: {
    installers: ['go'],
    programs: [],
    cost: 'a build of 2-6 minutes, 2 GB of Go caches',
    isInstalled: isS3Installed,
    install: installS3,
  },
  secrets: {
    installers: ['python3'],
    programs: ['python3'],
    cost: '140 MB, 20 s',
    isInstalled: isSecretsInstalled,
    install: installSecrets,
  },
  judges: {
    installers: ['go'],
    programs: ['ssh-agent', 'ssh-add', 'ssh-keygen'],
    cost: 'a build of 100 s, 700 MB of Go caches',
    isInstalled: areJudgesInstalled,
    install: installJudges,
  },
  pyarrow: {
    installers: ['python3'],
    programs: ['python3'],
    cost: '180 MB, 30 s',
    isInstalled: isPyArrowInstalled,
    install: installPyArrow,
  },
  'kafka-python': {
    installers: ['python3'],
    programs: ['python3'],
    cost: '45 MB, 10 s',
    isInstalled: isKafkaPythonInstalled,
    install: installKafkaPython,
  },
  'parquet-java': {
    installers: ['mvn', 'java'],
    programs: ['java'],
    cost: '68 MB, 30 s',
    isInstalled: isParquetJavaInstalled,
    install: installParquetJava,
  },
  'aics-tlog': {
    installers: ['python3'],
    programs: ['python3'],
    cost: '20 MB, 15 s',
    isInstalled: isAicsTlogInstalled,
    install: installAicsTlog,
  },
  browser: {
    installers: ['apt-get'],
    programs: [],
    cost: '100 MB from Debian, as root',
    isInstalled: isBrowserInstalled,
    install: installBrowser,
  },
  conformance: {
    installers: ['npm'],
    programs: [],
    cost: '90 MB from npm, 40 s',
    isInstalled: isConformanceInstalled,
    install: installConformance,
  },
  inspector: {
    installers: ['npm'],
    programs: [],
    cost: '170 MB from npm, 40 s',
    isInstalled: isInspectorInstalled,
    install: installInspector,
  },
  nodes: {
    installers: ['npm'],
    programs: [],
    cost: '550 MB from npm, 20 s',
    isInstalled: areNodesInstalled,
    install: installNodes,
  },
}

/** The programs that this machine would need to install the lane's tools, or to run them where they are installed. */
export function missingPrograms(name: LaneName): readonly string[] {
  const { isInstalled, programs, installers } = laneTools[name]
  return (isInstalled() ? programs : installers).filter(program => findProgram(program) === undefined)
}

/** Installs what the lanes need and the machine has not; at once where nothing is missing. */
export async function installTools(names: readonly LaneName[], progress: Progress): Promise<void> {
  for (const name of names) {
    const missing = missingPrograms(name)
    if (missing.length > 0) throw new Error(`lane ${name} needs ${missing.join(', ')} on the path`)
    await laneTools[name].install(progress)
  }
}
