import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { commands } from '../../services/cli/src/commands/index.ts'
import { settings } from '../../shared/runtime/src/settings.ts'
import { Command } from 'commander'
import { expect, test } from 'vitest'

// Documents rot where nobody runs them: what they name must be there.

const root = fileURLToPath(new URL('../../', import.meta.url))
const documents = ['*.md', 'shared/*/*.md', 'services/*/*.md', 'test/*/*.md', 'infra/**/*.md'].flatMap(
  pattern => globSync(pattern, { cwd: root }),
)

function optionsOf(name: string): readonly string[] {
  const command = commands.find(each => each.name === name)
  const declared = new Command()
  command?.configure?.(declared)
  return ['--json', '--help', ...declared.options.flatMap(({ long, short }) => [long ?? '', short ?? ''])]
}

function commandLines(text: string): readonly string[] {
  return [...text.matchAll(/(?:^|`|npx )muniment (?<line>[a-z][^`\n#|]*)/gmu)].map(
    match => match.groups?.['line']?.trim() ?? '',
  )
}

test.each(documents)('%s links to files that exist', document => {
  const text = readFileSync(join(root, document), 'utf8')
  for (const [, target = ''] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/gu))
    expect(existsSync(join(root, dirname(document), target)), target).toBe(true)
})

test.each(documents)('%s names settings that exist', document => {
  const known = new Set(Object.values(settings).map(({ env }) => env))
  const text = readFileSync(join(root, document), 'utf8')
  for (const [name] of text.matchAll(/\bMUNIMENT_(?!TEST_)[A-Z_]*[A-Z]\b(?!_)/gu))
    expect([...known], name).toContain(name)
})

test.each(['README.md', 'CONTRIBUTING.md', 'services/cli/README.md'])(
  '%s shows commands with options that exist',
  document => {
    const text = readFileSync(join(root, document), 'utf8')
    for (const line of commandLines(text)) {
      const [name = '', ...words] = line.split(' -- ')[0]?.split(/\s+/u) ?? []
      if (!commands.some(each => each.name === name))
        expect(
          commands.map(each => each.name),
          line,
        ).toContain(name)
      for (const word of words.filter(each => /^--?[a-z]/u.test(each)))
        expect(optionsOf(name), line).toContain(word)
    }
  },
)

test('every package is in the table of the architecture and has a README', () => {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')
  for (const manifest of globSync('{shared,services}/*/package.json', { cwd: root })) {
    expect(text).toContain(`(${dirname(manifest)})`)
    expect(existsSync(join(root, dirname(manifest), 'README.md')), manifest).toBe(true)
  }
})

test.each(globSync('infra/docs/*.md', { cwd: root }))('%s names tests that exist', document => {
  const all = ['test', 'services/*/test', 'shared/*/test'].flatMap(folder =>
    globSync(`${folder}/**/*.test.ts`, { cwd: root }),
  )
  const text = readFileSync(join(root, document), 'utf8')
  for (const [, name = ''] of text.matchAll(/`([\w./-]+\.test\.ts)`/gu))
    expect(
      all.filter(file => file === name || file.endsWith(`/${name}`)),
      name,
    ).toHaveLength(1)
})
