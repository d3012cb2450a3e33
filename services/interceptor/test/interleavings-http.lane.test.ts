import type { IncomingMessage, ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { expect, test, vi } from 'vitest'
import { hostOf } from '../src/host.ts'
import { observeListener } from '../src/http.ts'
import { readSettings } from '../src/main-env.ts'
import { startProxy } from '../src/proxy.ts'
import { chance, expectOneEach, request, saying, type Chance } from './chance.ts'
import { listen, post } from './http-lab.ts'
import { openLab, type Lab } from './support.ts'

// The law of the core (interleavings.lane.test.ts) over HTTP: through the proxy, and at the edge of a server.

vi.setConfig({ testTimeout: 120_000 })

/** What the server does with what was posted. */
interface Script {
  readonly how: 'json' | 'stream' | 'accepted' | 'refused' | 'gone' | 'hang'
  readonly status: number
  readonly say: readonly object[]
}

const hows = [
  'json',
  'json',
  'json',
  'stream',
  'stream',
  'stream',
  'accepted',
  'refused',
  'gone',
  'hang',
] as const
const streaming: ReadonlySet<string> = new Set(['stream', 'gone', 'hang'])
const statuses = [400, 401, 403, 404, 429, 500]

function event(message: object): string {
  return `event: message\ndata: ${JSON.stringify(message)}\n\n`
}

/** Does as the message says that came first in the body. */
async function perform(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  if (incoming.method !== 'POST') return void response.writeHead(200).end()
  const body = Object(await json(incoming))
  const { how, status, say }: Script = (Array.isArray(body) ? body[0] : body).script
  const type = how === 'stream' ? 'text/event-stream' : 'application/json'
  if (how === 'json') response.writeHead(200, { 'content-type': type }).end(JSON.stringify(say))
  else if (how === 'accepted') response.writeHead(202).end()
  else if (how === 'refused') response.writeHead(status).end('no')
  else {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const message of say) response.write(event(message))
    if (how === 'stream') response.end()
    else if (how === 'gone') response.destroy()
    else response.flushHeaders()
  }
}

interface World extends Chance {
  readonly url: URL
  /** Marks of what a server said that may not have come through. */
  readonly unsure: Set<string>
}

/** What a server says in answer: the right answer or not, and whatever else comes to its mind. */
function answers(world: World, messages: readonly object[], how: Script['how']): object[] {
  const right = messages.flatMap(message =>
    'method' in message && 'id' in message ? [{ jsonrpc: '2.0', id: message.id, result: {} }] : [],
  )
  const first = world.sent.size
  const more = Array.from({ length: world.below(3) }, () => saying(world)).filter(one => !Array.isArray(one))
  // What is said in no stream is not asked; of a stream that breaks off nobody knows how much came through.
  if (how !== 'stream') for (let at = first; at < world.sent.size; at++) world.unsure.add(`m${at}`)
  return [...(streaming.has(how) ? more : []), ...(world.below(4) === 0 ? [] : right)]
}

/** One message or several, the first with what the server is to do. */
function posted(world: World, how: Script['how']): object {
  const { below } = world
  const first = below(4) === 0 ? saying(world) : request(world)
  const messages = [Array.isArray(first) ? request(world) : first]
  if (below(10) === 0) messages.push(request(world), saying(world))
  const status = statuses[below(statuses.length)] ?? 500
  const script: Script = { how, status, say: answers(world, messages, how) }
  const [head, ...others] = messages
  const scripted = { ...head, script }
  return others.length === 0 ? scripted : [scripted, ...others]
}

/** Posts something once, or ends a session. */
async function exchange(world: World): Promise<void> {
  const { below, url } = world
  const session: Record<string, string> = below(3) === 0 ? {} : { 'mcp-session-id': `s${below(6)}` }
  if (below(50) === 0) return void (await fetch(url, { method: 'DELETE', headers: session }))
  const how = hows[below(hows.length)] ?? 'json'
  const leaving = new AbortController()
  const init = { ...post(posted(world, how), session), signal: leaving.signal }
  try {
    const response = await fetch(url, init)
    if (how === 'hang') leaving.abort()
    else await response.arrayBuffer()
  } catch {
    expect(['gone', 'hang']).toContain(how)
  }
}

const ways: Readonly<Record<string, (lab: Lab) => Promise<AsyncDisposable & { readonly url: URL }>>> = {
  'through the proxy': async ({ home }) => {
    const upstream = await listen(perform)
    const proxy = await startProxy({ home, routes: [{ upstream: upstream.url }] })
    return {
      url: new URL('/mcp', proxy.url),
      [Symbol.asyncDispose]: async () => {
        await proxy.close(5000)
        await upstream[Symbol.asyncDispose]()
      },
    }
  },
  'at the edge': async ({ home }) =>
    await listen(observeListener((incoming, response) => void perform(incoming, response), { home })),
}

test.each(Object.entries(ways))(
  '%s, of 5,000 requests either way each ends at most once, and exactly once where it came through',
  async (_, open) => {
    await using lab = await openLab()
    const served = await open(lab)
    const world: World = { ...chance(31), url: served.url, unsure: new Set() }
    const client = async (): Promise<void> => {
      while (world.sent.size < 5000) await exchange(world)
    }
    await Promise.all(Array.from({ length: 16 }, client))
    await served[Symbol.asyncDispose]()
    await hostOf(readSettings({ home: lab.home })).close(30_000)
    expectOneEach(await lab.collect(), world.sent, world.unsure)
    expect(world.unsure.size).toBeLessThan(world.sent.size / 2)
  },
)
