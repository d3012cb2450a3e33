// Makes the page that verifies without a server, one file that holds all it needs: npm run page, or node infra/page.ts <file>
// (default `services/cli/page/verify.html`, which is what `muniment verify --page` hands out).
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { rolldown, type Plugin } from 'rolldown'

const folder = resolve('services/cli/page')
const out = process.argv[2] ?? join(folder, 'verify.html')

function read(name: string): string {
  return readFileSync(join(folder, name), 'utf8')
}

const absent = join(folder, 'shims/absent.js')
/** Of Node's own modules two have a stand-in. */
const standInFor = new Map([
  ['node:crypto', join(folder, 'shims/node-crypto.js')],
  ['node:zlib', join(folder, 'shims/node-zlib.js')],
])
/** The engine that writes rows is native code. */
const isAbsent = /^node:|\/parquet\/engine\.ts$/u

const standIns: Plugin = {
  name: 'stand-ins',
  resolveId(id) {
    return standInFor.get(id) ?? (isAbsent.test(id) ? absent : null)
  },
}

async function bundle(): Promise<string> {
  const build = await rolldown({
    input: join(folder, 'main.js'),
    platform: 'browser',
    plugins: [standIns],
    shimMissingExports: true,
    // What cannot be found otherwise would be missed in a browser only.
    onLog(_level, { code, message }) {
      if (code !== 'SHIMMED_EXPORT') throw new Error(message)
    },
    transform: { inject: { Buffer: [join(folder, 'shims/buffer.js'), 'Buffer'] } },
  })
  const { output } = await build.generate({ format: 'iife', minify: true })
  await build.close()
  const [{ code }, ...others] = output
  if (others.length > 0) throw new Error('The page must be one file.')
  // Neither a closing tag nor an opening comment may end the script early.
  return code.replaceAll(/<(?=\/script|!--)/giu, String.raw`\x3c`)
}

function source(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

const palette = readFileSync(resolve('services/query/src/console/page/palette.css'), 'utf8')
const [style, script] = [`${palette}${read('page.css')}`, await bundle()]
const policy = `default-src 'none'; script-src ${source(script)}; style-src ${source(style)}; base-uri 'none'; form-action 'none'`
const html = read('page.html')
  .replace('Policy" content=""', () => `Policy" content="${policy}"`)
  .replace('<style></style>', () => `<style>${style}</style>`)
  .replace('<script></script>', () => `<script>${script}</script>`)
if (html.length < policy.length + style.length + script.length)
  throw new Error('page.html lacks a place to fill.')
mkdirSync(dirname(out), { recursive: true })
writeFileSync(out, html)
