// A TCP proxy before a broker that loses answers: it cuts the connection instead of passing a Produce response on.
import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

const produceKey = 0

export interface CuttingProxy extends AsyncDisposable {
  readonly port: number
  /** Where the broker is; may be set after the proxy was started. */
  readonly setTarget: (port: number) => void
  /** Cuts at so many of the next Produce responses. */
  readonly cut: (count: number) => void
  readonly cutsDone: () => number
}

/** Calls `onFrame` for each length-prefixed frame of a stream. */
function frames(onFrame: (frame: Buffer) => void): (data: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  return data => {
    rest = Buffer.concat([rest, data])
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0)
      onFrame(rest.subarray(0, end))
      rest = rest.subarray(end)
    }
  }
}

export async function startCuttingProxy(): Promise<CuttingProxy> {
  let target = 0
  let wanted = 0
  let done = 0
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    const broker = connect(target, '127.0.0.1')
    const produced = new Set<number>()
    const end = (): void => {
      client.destroy()
      broker.destroy()
    }
    for (const socket of [client, broker]) {
      sockets.add(socket)
      socket.on('error', end).on('close', () => {
        sockets.delete(socket)
        end()
      })
    }
    client.on(
      'data',
      frames(frame => {
        if (frame.readInt16BE(4) === produceKey) produced.add(frame.readInt32BE(8))
        broker.write(frame)
      }),
    )
    broker.on(
      'data',
      frames(frame => {
        const isProduce = produced.delete(frame.readInt32BE(4))
        if (!isProduce || wanted === 0) {
          client.write(frame)
          return
        }
        wanted--
        done++
        end()
      }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    setTarget: port => {
      target = port
    },
    cut: count => {
      wanted = count
    },
    cutsDone: () => done,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
