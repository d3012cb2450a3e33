// Loopback ports for test servers.
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

const host = '127.0.0.1'

/**
 * A port nobody listens on, below the range the kernel takes for outgoing connections: a client that retries a dead
 * server on a port inside that range sooner or later connects to itself, and the server can never come back.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(10_000, 32_000)
    if (await canListen(port)) return port
  }
  throw new Error('no free loopback port between 10000 and 32000 in 100 attempts')
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer()
  const outcome = Promise.race([
    once(server, 'listening').then(() => true),
    once(server, 'error').then(() => false),
  ])
  server.listen(port, host)
  const isFree = await outcome.catch(() => false)
  if (isFree) await new Promise(resolve => server.close(resolve))
  return isFree
}

/** Whether something accepts connections on a loopback port. */
export async function isListening(port: number): Promise<boolean> {
  return await new Promise<boolean>(resolve => {
    const socket = connect(port, host)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
