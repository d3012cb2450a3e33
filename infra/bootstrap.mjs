// Installs what package-lock.json asks for, if it is not there yet, on whatever Node the machine has (18 or newer);
// then, given arguments, runs `muniment` with them. Silent where there is nothing to do.
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'

const root = new URL('../', import.meta.url)

async function packages(file) {
  return JSON.parse(await readFile(new URL(file, root), 'utf8')).packages
}

/** Stops where neither this Node nor one that npm can bring for this machine is new enough. */
function checkNode(optional) {
  const system = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  if (Number.parseInt(process.versions.node, 10) >= 24 || `node-${system}` in optional) return
  console.error(
    `Needs Node.js 24 or newer; this is ${process.versions.node}, and npm brings none for ${system}: https://nodejs.org`,
  )
  process.exit(2)
}

/** npm writes its hidden lockfile last, so an interrupted install counts as none. */
async function isInstalled(wanted) {
  const present = await packages('node_modules/.package-lock.json').catch(() => ({}))
  return Object.entries(wanted).every(([path, { optional, version, integrity }]) => {
    if (!path.startsWith('node_modules/')) return true
    const found = present[path]
    return found ? found.version === version && found.integrity === integrity : optional === true
  })
}

/** Runs `npm ci`; a signal kills it at once, which is safe: the next run starts over. */
function install() {
  const flags = [
    'ci',
    '--include=dev',
    '--include=optional',
    '--no-engine-strict',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]
  const { npm_execpath: npm } = process.env
  const [command, args] = npm ? [process.execPath, [npm, ...flags]] : ['npm', flags]
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: !npm && process.platform === 'win32',
  })
  return new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => child.kill('SIGKILL'))
    child.on('error', error => resolve(error.message))
    child.on('exit', (code, signal) => resolve(code === 0 ? undefined : (signal ?? `exit code ${code}`)))
  })
}

/** npm's shell dies of a signal without passing it on, so losing our parent counts as the signal. */
function followParent() {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    process.kill(process.pid, 'SIGTERM')
  }, 250)
  timer.unref()
}

followParent()
const wanted = await packages('package-lock.json')
checkNode(wanted[''].optionalDependencies)
if (!(await isInstalled(wanted))) {
  const begin = Date.now()
  console.error('Installing dependencies (once; about 530 MB) …')
  const failure = await install()
  if (failure) {
    console.error(`Not installed: npm ci ended with ${failure}. Run the same command again to start over.`)
    process.exit(1)
  }
  console.error(`Installed in ${Math.round((Date.now() - begin) / 1000)} s.`)
}
if (process.argv.length > 2) await import('../services/cli/bin/muniment.mjs')
