// Reads Dockerfiles as far as our own use of them goes.
import { readFileSync } from 'node:fs'

interface Instruction {
  readonly name: string
  readonly rest: string
}

interface Stage {
  readonly base: string
  readonly name: string
  readonly instructions: readonly Instruction[]
}

interface Copy {
  readonly from: string | undefined
  readonly sources: readonly string[]
}

function instructions(text: string): readonly Instruction[] {
  return text
    .split('\n')
    .filter(line => !line.startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n/gu, ' ')
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .map(line => {
      const [name = '', ...words] = line.split(/\s+/u)
      return { name, rest: words.join(' ') }
    })
}

/** The stages of a Dockerfile in order; what stands before the first FROM is left out. */
export function readStages(file: string): readonly Stage[] {
  const all = instructions(readFileSync(file, 'utf8'))
  const starts = [...all.keys()].filter(index => all[index]?.name === 'FROM')
  return starts.map((start, index) => {
    const [base = '', , name = String(index)] = (all[start]?.rest ?? '').split(' ')
    return { base, name, instructions: all.slice(start + 1, starts[index + 1]) }
  })
}

/** The COPY instructions of a stage: where from, and which paths. */
export function copies({ instructions: all }: Stage): readonly Copy[] {
  return all
    .filter(({ name }) => name === 'COPY')
    .map(({ rest }) => {
      const words = rest.split(' ')
      const from = words.find(word => word.startsWith('--from='))?.slice('--from='.length)
      return { from, sources: words.filter(word => !word.startsWith('--')).slice(0, -1) }
    })
}

/** The last instruction of that name, which is the one that counts. */
export function lastOf({ instructions: all }: Stage, name: string): string | undefined {
  return all.findLast(each => each.name === name)?.rest
}
