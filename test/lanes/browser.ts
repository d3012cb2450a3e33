// A real Chromium for tests of pages.
import { findProgram } from './environment.ts'
import { runProgram, type Progress } from './cache.ts'

const programs = ['chromium', 'chromium-browser', 'google-chrome']

const launchFlags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-sync',
  '--disable-background-networking',
  '--disable-component-update',
]

export interface BrowserLaunch {
  readonly executablePath: string
  readonly args: string[]
}

function browserProgram(): string | undefined {
  return programs.map(findProgram).find(path => path !== undefined)
}

/** Whether the machine has a Chromium. */
export function isBrowserInstalled(): boolean {
  return browserProgram() !== undefined
}

/** Installs Debian's Chromium where the machine has none; needs root, as a package installation does. */
export async function installBrowser(progress: Progress): Promise<void> {
  if (isBrowserInstalled()) return
  progress('Chromium: installing from Debian (about 100 MB) …')
  // Another installation may hold the package database for a while.
  const options = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=600', '--no-install-recommends']
  const quiet = { DEBIAN_FRONTEND: 'noninteractive' }
  await runProgram('apt-get', ['-q', 'update'], quiet)
  await runProgram('apt-get', [...options, 'install', 'chromium'], quiet)
  progress('Chromium: done')
}

/** What playwright-core's `chromium.launch` needs to start that browser without it reaching out to the internet. */
export function browserLaunch(): BrowserLaunch {
  const executablePath = browserProgram()
  if (executablePath === undefined) throw new Error(`none of ${programs.join(', ')} is on the path`)
  return {
    executablePath,
    args: [...launchFlags],
  }
}
