// The default: one process, `muniment up`, on a folder.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { inherited } from '../lanes/environment.ts'
import { freePort } from '../lanes/ports.ts'
import { serverFolder, startServer, type Server } from '../lanes/server.ts'
import { muniment, type Installation } from './installation.ts'

/** Starts `muniment up` on a folder and resolves when it says that it is ready. */
async function startUp(home: string, env: Readonly<Record<string, string>>): Promise<Server> {
  const port = await freePort()
  return await startServer({
    folder: serverFolder('up'),
    command: process.execPath,
    args: [muniment, 'up'],
    env: inherited({ ...env, MUNIMENT_HOME: home, MUNIMENT_HTTP_PORT: String(port) }),
    isReady: async () => {
      const reply = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
      return reply?.ok === true
    },
  })
}

interface EmbeddedOptions {
  /** A folder that is there already; one of its own where left out. */
  readonly under?: string
  /** Settings of everybody in it. */
  readonly settings?: Readonly<Record<string, string>>
}

/** A fresh installation. */
export async function openEmbedded({ under, settings = {} }: EmbeddedOptions = {}): Promise<Installation> {
  const folder = serverFolder('embedded')
  const home = join(under ?? folder, 'home')
  const env = { ...settings, MUNIMENT_HOME: home }
  const up = await startUp(home, settings)
  return {
    folder,
    home,
    interceptor: env,
    reader: env,
    operator: env,
    owner: env,
    places: [home],
    workers: new Map([['up', up]]),
    [Symbol.asyncDispose]: async () => {
      await up.stop()
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}
