// What the interceptor must do on every Node, given its doors and both SDKs as this one loads them: each way of observing is tried with
// one call to a tool of its name. Prints what each caller got: node doors.mjs|doors.cjs HOME INGEST_KEY
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'

const [, , home, ingestKey] = process.argv
const folder = import.meta.dirname
const options = { home, bus: 'embedded:', ingestKey, onProblem: () => {} }

/** What a client gets that calls the tool over a transport. */
async function call({ Client }, transport, tool) {
  const client = new Client({ name: 'smoke', version: '1' })
  await client.connect(transport)
  const { content } = await client.callTool({ name: tool, arguments: {} })
  await client.close()
  return content[0].text
}

/** In memory; `observe` says how the server or its transport is observed. */
async function inMemory(sdk, tool, observe) {
  const server = new sdk.McpServer({ name: 'smoke', version: '1' })
  server.registerTool(tool, {}, () => ({ content: [{ type: 'text', text: tool }] }))
  const [near, far] = sdk.InMemoryTransport.createLinkedPair()
  observe(server, far)
  await server.connect(far)
  const got = await call(sdk, near, tool)
  await server.close()
  return got
}

async function underWrap(sdk, tool, program) {
  const server = [process.execPath, join(folder, 'server.mjs'), tool.slice(-2), tool]
  const args = [join(folder, program), home, ingestKey, ...server]
  return await call(sdk, new sdk.StdioClientTransport({ command: process.execPath, args }), tool)
}

async function listen(listener) {
  const server = createServer(listener)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return `http://127.0.0.1:${server.address().port}/mcp`
}

/** What somebody gets who posts a call of some 200 KiB to a door that must record it first: the same bytes, or a status. */
async function post(tool, send) {
  const params = { name: tool, arguments: { text: 'hello'.repeat(40_000) } }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })
  const response = await send({ method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return (await response.text()) === body ? tool : String(response.status)
}

const to = url => init => fetch(url, init)
const echo = (request, response) => request.on('error', () => {}).pipe(response)

async function overHttp({ observeListener, observeExpress, observeFetch, startProxy }) {
  const closed = { ...options, delivery: { failClosed: ['*'], deadlineMs: 5000 } }
  const unwritable = {
    ...closed,
    home: join(folder, 'smoke.mjs'),
    delivery: { failClosed: ['*'], deadlineMs: 100 },
  }
  const app = (await import('express')).default()
  app.use(observeExpress(closed))
  app.post('/mcp', echo)
  const observed = observeFetch(async request => new Response(await request.text()), closed)
  const proxy = await startProxy({ ...closed, routes: [{ upstream: new URL(await listen(echo)) }] })
  return [
    await post('listener', to(await listen(observeListener(echo, closed)))),
    await post('express', to(await listen(app))),
    await post('fetch', init => observed(new Request('http://host/mcp', init))),
    await post('proxy', to(new URL('/mcp', proxy.url))),
    await post('unwritable', to(await listen(observeListener(echo, unwritable)))),
    await proxy.close(1000),
  ].filter(Boolean)
}

export async function smoke(doors, wrapProgram) {
  const { attach, tap, v1, v2 } = doors
  const got = []
  for (const [line, sdk] of Object.entries({ v1, v2 }))
    got.push(
      await inMemory(sdk, `attach-${line}`, server => attach(server, options)),
      await inMemory(sdk, `tap-${line}`, (_, transport) => tap(transport, options)),
      await underWrap(sdk, `wrap-${line}`, wrapProgram),
    )
  got.push(...(await overHttp(doors)))
  process.stdout.write(got.join(' '), () => process.exit(0))
}
