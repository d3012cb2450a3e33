// Makes the published form of every public package, `<out>/pack/*.tgz` (default `dist`): npm run pack, or node infra/pack.ts <out>.
// In the repository a package's `exports` are its sources; in the tarball they are the JavaScript and the types
// compiled from them. Fails where publint finds a fault in one.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { bundle, bundledPackages } from './bundle.ts'

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly files: readonly string[]
  readonly exports: Readonly<Record<string, string>>
}

const out = process.argv[2] ?? 'dist'
const isWindows = process.platform === 'win32'

function compiled(source: string): { readonly types: string; readonly default: string } {
  const stem = source.replace('./src/', './dist/').replace(/\.ts$/u, '')
  return { types: `${stem}.d.ts`, default: `${stem}.js` }
}

/** Puts bundles in the place of the files that were compiled one by one; their types stay. */
async function bundleInto(from: string, to: string, doors: readonly string[]): Promise<void> {
  for (const file of globSync(join(to, '**/*.js{,.map}'))) rmSync(file)
  await bundle(
    doors.map(door => join(from, door)),
    to,
  )
}

async function stage(file: string): Promise<string | undefined> {
  const manifest: Manifest = JSON.parse(readFileSync(file, 'utf8'))
  if (manifest.private === true) return undefined
  const from = dirname(file)
  const to = join(out, 'stage', basename(from))
  mkdirSync(to, { recursive: true })
  for (const part of [...manifest.files, 'bin', 'README.md'])
    if (part !== 'dist' && existsSync(join(from, part)))
      cpSync(join(from, part), join(to, part), { recursive: true })
  cpSync('LICENSE', join(to, 'LICENSE'))
  cpSync(join(out, 'build', from, 'src'), join(to, 'dist'), { recursive: true })
  if (bundledPackages.includes(basename(from)))
    await bundleInto(from, join(to, 'dist'), Object.values(manifest.exports))
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

async function check(folder: string): Promise<readonly string[]> {
  const { messages, pkg } = await publint({ pkgDir: folder, pack: false, level: 'error' })
  return messages.map(message => `${folder}: ${formatMessage(message, pkg) ?? message.code}`)
}

rmSync(out, { recursive: true, force: true })
execFileSync('node', ['infra/page.ts'], { stdio: 'inherit' })
// What it emits is the same unchecked, and the gate checks types anyway.
execFileSync('tsc', ['-p', 'tsconfig.build.json', '--noCheck', '--outDir', join(out, 'build')], {
  stdio: 'inherit',
  shell: isWindows,
})
const manifests = globSync('{shared,services}/*/package.json')
const staged = (await Promise.all(manifests.map(stage))).filter(path => path !== undefined)
const faults = (await Promise.all(staged.map(check))).flat()
for (const fault of faults) console.error(fault)
if (faults.length > 0) process.exit(1)
mkdirSync(join(out, 'pack'), { recursive: true })
const folders = staged.map(path => (path.startsWith('/') ? path : `./${path}`))
execFileSync('npm', ['pack', '--silent', '--pack-destination', join(out, 'pack'), ...folders], {
  stdio: ['ignore', 'ignore', 'inherit'],
  shell: isWindows,
})
