// Programs that are not ours and read the formats we write: torchwood, Tessera, and their witness and log.
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { install, runProgram, toolPath, type Progress } from './cache.ts'

const source = fileURLToPath(new URL('../judges/', import.meta.url))
const parts = ['go.mod', 'go.sum', 'main.go'].map(file => readFileSync(join(source, file)))
const digest = createHash('sha256').update(Buffer.concat(parts)).digest('hex').slice(0, 12)
const name = `judges-${digest}-${process.platform}-${process.arch}`

const packages = [
  '.',
  'filippo.io/torchwood/cmd/litewitness',
  'github.com/transparency-dev/tessera/cmd/examples/posix-oneshot',
]

/** One of the programs. */
export function judgeProgram(program: 'judges' | 'litewitness' | 'posix-oneshot'): string {
  return join(toolPath(name), program)
}

/** Builds the judges (100 s cold, 700 MB of Go caches) unless the cache has them. */
export async function installJudges(progress: Progress): Promise<void> {
  await install(
    {
      name,
      title: 'judges: building torchwood and Tessera with Go (100 s on two cores)',
      make: async target => {
        const module = `${target}-source`
        cpSync(source, module, { recursive: true })
        mkdirSync(target)
        // The modules' own tools are not tidy, so that -mod=readonly is not to be had; versions are exact, and go.sum holds their digests.
        const build = ['-n', '10', 'go', 'build', '-C', module, '-mod=mod', '-o', `${target}/`, ...packages]
        await runProgram('nice', build, { CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' })
      },
    },
    progress,
  )
}

/** Whether the judges have been built. */
export function areJudgesInstalled(): boolean {
  return existsSync(toolPath(name))
}
