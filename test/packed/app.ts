// The published form, as somebody has it who installs it: JavaScript in node_modules, nothing of this repository.
import { execFileSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Everything that is not ours comes from this checkout, but for its Node; ours come from the tarballs. */
function installTarballs(app: string): void {
  const modules = join(app, 'node_modules')
  mkdirSync(join(modules, '@muniment'), { recursive: true })
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== '@muniment' && !/^\.|^node-\w+-\w+$/u.test(name))
      symlinkSync(join(root, 'node_modules', name), join(modules, name))
  for (const tarball of globSync(join(app, 'out', 'pack', '*.tgz'))) {
    const name = /^muniment-(?<name>[a-z]+)-\d/u.exec(basename(tarball))?.groups?.['name'] ?? ''
    const folder = join(modules, '@muniment', name)
    mkdirSync(folder)
    execFileSync('tar', ['-xzf', tarball, '-C', folder, '--strip-components=1'])
  }
}

/** A new folder with all packages installed; who asked for it removes it. */
export function openApp(): string {
  const app = mkdtempSync(join(tmpdir(), 'muniment-packed-'))
  execFileSync(process.execPath, ['infra/pack.ts', join(app, 'out')], { cwd: root, stdio: 'pipe' })
  installTarballs(app)
  return app
}
