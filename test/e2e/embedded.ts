// The default: one process, `muniment up`, on a folder.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { inherited } from '../lanes/environment.ts'
import { freePort } from '../lanes/ports.ts'
import { serverFolder, startServer, type Server } from '../lanes/server.ts'
import { muniment, type Installation } from './installation.ts'

/** Starts `muniment up` on a folder and resolves when it says that it is ready. */
async function startUp(home: string): Promise<Server> {
  const port = await freePort()
  return await startServer({
    folder: serverFolder('up'),
    command: process.execPath,
    args: [muniment, 'up'],
    env: inherited({ MUNIMENT_HOME: home, MUNIMENT_HTTP_PORT: String(port) }),
    isReady: async () => {
      const reply = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
      return reply?.ok === true
    },
  })
}

/** A fresh installation on a folder of its own, or in one that is there already. */
export async function openEmbedded(under?: string): Promise<Installation> {
  const folder = serverFolder('embedded')
  const home = join(under ?? folder, 'home')
  const env = { MUNIMENT_HOME: home }
  const up = await startUp(home)
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
