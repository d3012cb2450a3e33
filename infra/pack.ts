// Makes the published form of every public package: `dist/pack/*.tgz`. In the repository a package's `exports` are
// its sources; in the tarball they are the JavaScript and the types compiled from them.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly exports: Readonly<Record<string, string>>
}

function compiled(source: string): { readonly types: string; readonly default: string } {
  const stem = source.replace('./src/', './dist/').replace(/\.ts$/u, '')
  return { types: `${stem}.d.ts`, default: `${stem}.js` }
}

function stage(file: string): string | undefined {
  const manifest: Manifest = JSON.parse(readFileSync(file, 'utf8'))
  if (manifest.private === true) return undefined
  const from = dirname(file)
  const to = join('dist/stage', basename(from))
  mkdirSync(to, { recursive: true })
  for (const part of ['src', 'bin', 'README.md'])
    if (existsSync(join(from, part))) cpSync(join(from, part), join(to, part), { recursive: true })
  cpSync(join('dist', from, 'src'), join(to, 'dist'), { recursive: true })
  const exports = Object.fromEntries(
    Object.entries(manifest.exports).map(([door, source]) => [door, compiled(source)]),
  )
  const {
    scripts: _scripts,
    devDependencies: _dev,
    ...rest
  } = { scripts: {}, devDependencies: {}, ...manifest }
  writeFileSync(join(to, 'package.json'), JSON.stringify({ ...rest, exports }, undefined, 2))
  return to
}

rmSync('dist', { recursive: true, force: true })
execFileSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit', shell: process.platform === 'win32' })
mkdirSync('dist/pack', { recursive: true })
const staged = globSync('{shared,services}/*/package.json')
  .map(stage)
  .filter(path => path !== undefined)
execFileSync(
  'npm',
  ['pack', '--silent', '--pack-destination', 'dist/pack', ...staged.map(path => `./${path}`)],
  {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  },
)
