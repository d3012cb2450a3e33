import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, createServer, request, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { expect, test, vi } from 'vitest'
import { startProxy } from '../src/proxy.ts'
import { createSseTap } from '../src/http/sse.ts'
import { listen } from './http-lab.ts'
import { openLab, programEnv, type Lab } from './support.ts'

// Whole programs are started here, also on machines that are busy.
vi.setConfig({ testTimeout: 30_000 })

/** Messages that a program which parses and serialises would change. */
const odd: Readonly<Record<string, string | Buffer>> = {
  'order of members': '{"id":1,"params":{"z":1,"a":2},"method":"x","jsonrpc":"2.0"}',
  'spelling of numbers':
    '{"jsonrpc":"2.0","id":1,"method":"x","params":{"n":[1.0,1e2,-0,0.10,123456789012345678901]}}',
  'members that come twice': '{"jsonrpc":"2.0","id":1,"method":"a","method":"b","id":2}',
  'half a surrogate pair': '{"jsonrpc":"2.0","id":1,"method":"\\ud800","params":{"x":"\\udfff"}}',
  'the same, as bytes': Buffer.from('{"id":1,"method":"\xed\xa0\x80","jsonrpc":"2.0"}', 'latin1'),
  'members that come twice in other spellings': '{"jsonrpc":"2.0","id":1,"method":"a","m\\u0065thod":"b"}',
  'numbers as ids': '[{"jsonrpc":"2.0","id":1.0,"method":"a"},{"jsonrpc":"2.0","id":1e400,"method":"a"}]',
  'bytes that are no UTF-8': Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  'escapes and white space': '  {\t"jsonrpc" :"2.0", "id": "\\u0031\\/","method":"x" }  ',
  'a prototype': '{"jsonrpc":"2.0","id":1,"method":"x","params":{"__proto__":{"a":1},"constructor":1}}',
  'an array': '[{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","method":"b"}]',
  'an array in an array': '[[{"jsonrpc":"2.0","id":1,"method":"a"}],null]',
  'an empty array': '[]',
  'two texts': '{"jsonrpc":"2.0","id":1,"method":"a"} {"jsonrpc":"2.0","id":2,"method":"a"}',
  'ends of lines that are none': '{"jsonrpc":"2.0",\r"id":1,"method":"\u2028\u0085\v\f"}',
  'white space': ' \t ',
  'a zero': '{"jsonrpc":"2.0","id":1,"method":"\0"}\0',
  depth: `{"jsonrpc":"2.0","id":1,"method":"x","params":${'['.repeat(3000)}${']'.repeat(3000)}}`,
  length: `{"jsonrpc":"2.0","id":1,"method":"x","params":{"t":"${'é'.repeat(600_000)}"}}`,
  'no JSON': 'hello, world',
  nothing: '',
  'a byte order mark': '\ufeff{"jsonrpc":"2.0","id":1,"method":"x"}',
}
const ends = ['\n', '\r\n', '\n\n', '\r\n\r\n']
function linesOf(messages: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(
    messages.flatMap((line, index) => [Buffer.from(line), Buffer.from(ends[index % ends.length] ?? '\n')]),
  )
}
const stream = linesOf(Object.values(odd))
/** Short enough to be cut at every place. */
const short = linesOf(Object.values(odd).filter(line => line.length < 1000))
const places = Array.from({ length: short.length - 1 }, (_, at) => at + 1)
/** Longer than what is recorded of a line. */
const huge = Buffer.from(
  `{"jsonrpc":"2.0","id":1,"method":"x","params":{"t":"${'x'.repeat(25 * 1024 * 1024)}"}}\n`,
)

/** A server that sends back what it gets. */
const mirror = 'process.stdin.pipe(process.stdout)'
const runner = join(import.meta.dirname, 'wrap-runner.ts')

function startMirror({ home }: Lab) {
  return spawn(process.execPath, [runner, JSON.stringify({ home }), process.execPath, '-e', mirror], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: programEnv,
  })
}

async function mirrored(chunks: readonly Uint8Array[]): Promise<Buffer> {
  await using lab = await openLab()
  const child = startMirror(lab)
  const seen = buffer(child.stdout)
  for (const chunk of chunks) if (!child.stdin.write(chunk)) await once(child.stdin, 'drain')
  child.stdin.end()
  return await seen
}

/** The same bytes, cut at every place of their beginning and then in growing pieces. */
function pieces(bytes: Buffer): Buffer[] {
  const cut = Array.from({ length: 400 }, (_, at) => bytes.subarray(at, at + 1))
  let size = 2
  for (let at = 400; at < bytes.length; at += size) {
    size = Math.min(64 * 1024, Math.ceil(size * 1.05) + 1)
    cut.push(bytes.subarray(at, at + size))
  }
  const out: Buffer[] = []
  let from = 0
  for (const part of cut) {
    out.push(bytes.subarray(from, from + part.length))
    from += part.length
  }
  return [...out, bytes.subarray(from)].filter(part => part.length > 0)
}

test.each([
  ['whole', [stream]],
  ['in pieces', pieces(stream)],
  ['with a huge one', [stream, huge, stream]],
])('odd lines pass through wrap unchanged, %s', async (_how, chunks) => {
  const seen = await mirrored(chunks)
  expect(seen.equals(Buffer.concat(chunks))).toBe(true)
})

/** Collects what comes, and tells when there is so much of it. */
function collector(from: Readable): {
  readonly bytes: () => Buffer
  readonly reaches: (size: number) => Promise<void>
} {
  const chunks: Buffer[] = []
  let size = 0
  from.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    size += chunk.length
  })
  return {
    bytes: () => Buffer.concat(chunks),
    reaches: async wanted => {
      while (size < wanted) await once(from, 'data')
    },
  }
}

test('odd lines pass through wrap unchanged, wherever they are cut: what comes before a cut is there before what comes after', async () => {
  await using lab = await openLab()
  const child = startMirror(lab)
  const seen = collector(child.stdout)
  for (const [turn, at] of places.entries()) {
    child.stdin.write(short.subarray(0, at))
    await seen.reaches(turn * short.length + at)
    child.stdin.write(short.subarray(at))
    await seen.reaches((turn + 1) * short.length)
  }
  child.stdin.end()
  await once(child, 'exit')
  expect(seen.bytes().equals(Buffer.concat(places.map(() => short)))).toBe(true)
})

async function echoed(via: string, body: Buffer, type: string): Promise<Buffer> {
  const response = await fetch(via, {
    method: 'POST',
    headers: { 'content-type': type },
    body: new Uint8Array(body),
  })
  return Buffer.from(await response.arrayBuffer())
}

test('odd bodies pass through the proxy unchanged, both ways, in one piece and in many', async () => {
  await using lab = await openLab()
  const got: Buffer[] = []
  const echo = createServer((incoming: IncomingMessage, response) => {
    void (async () => {
      const body = await buffer(incoming)
      got.push(body)
      response.writeHead(200, { 'Content-Type': incoming.headers['content-type'] })
      for (let at = 0; at < Math.min(body.length, 300); at++) response.write(body.subarray(at, at + 1))
      response.end(body.subarray(300))
    })()
  })
  await using upstream = await listen(echo)
  const proxy = await startProxy({ home: lab.home, routes: [{ upstream: upstream.url }] })
  const bodies = [...Object.values(odd).map(one => Buffer.from(one)), stream]
  const back: Buffer[] = []
  for (const body of bodies)
    for (const type of ['application/json', 'text/event-stream'])
      back.push(await echoed(`${proxy.url}/mcp`, body, type))
  await proxy.close(2000)
  const twice = bodies.flatMap(body => [body, body])
  expect(got.map(one => one.toString('base64'))).toEqual(twice.map(one => one.toString('base64')))
  expect(back.map(one => one.toString('base64'))).toEqual(twice.map(one => one.toString('base64')))
})

/** Sends a body cut at a place, the rest once the beginning has come back. */
async function echoedInTwo(via: URL, at: number, agent: Agent): Promise<Buffer> {
  const [type, length] = at % 2 === 0 ? ['application/json', short.length] : ['text/event-stream', undefined]
  const headers = { 'content-type': type, ...(length === undefined ? {} : { 'content-length': length }) }
  const sending = request(via, { method: 'POST', headers, agent })
  sending.write(short.subarray(0, at))
  const [response]: IncomingMessage[] = await once(sending, 'response')
  if (response === undefined) throw new Error('no response')
  const seen = collector(response)
  const ended = once(response, 'end')
  await seen.reaches(at)
  sending.end(short.subarray(at))
  await ended
  return seen.bytes()
}

test('odd bodies pass through the proxy unchanged, both ways, wherever they are cut', async () => {
  await using lab = await openLab()
  await using upstream = await listen((incoming, response) => {
    response.writeHead(200, { 'Content-Type': incoming.headers['content-type'] })
    incoming.pipe(response)
  })
  const proxy = await startProxy({ home: lab.home, routes: [{ upstream: upstream.url }] })
  const agent = new Agent({ keepAlive: true })
  const wrong: number[] = []
  for (const at of places)
    if (!(await echoedInTwo(new URL('/mcp', proxy.url), at, agent)).equals(short)) wrong.push(at)
  agent.destroy()
  await proxy.close(2000)
  expect(wrong).toEqual([])
})

/** The events of a stream that comes in these pieces. */
function read(cuts: readonly Uint8Array[]): string[] {
  const events: string[] = []
  const push = createSseTap(1000, {
    onEvent: (type, data) => events.push(`${type} ${Buffer.from(data).toString()}`),
    onLongEvent: () => events.push('long'),
  })
  for (const cut of cuts) push(cut)
  return events
}

test('an event stream is read the same wherever it is cut', () => {
  const text =
    '\ufeffdata: a\r\n\r\nevent: endpoint\rdata:/x\r\r: note\n\ndata: 1\ndata:2\ndata\n\nid: 7\ndata: é\r\n\n\ndata: cut off'
  const bytes = Buffer.from(text)
  const expected = ['message a', 'endpoint /x', 'message 1\n2\n', 'message é']
  expect(read([bytes])).toEqual(expected)
  for (let at = 0; at <= bytes.length; at++)
    expect(read([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(expected)
  expect(read(Array.from(bytes, byte => Buffer.from([byte])))).toEqual(expected)
})

test('an event that is too long is told by its beginning, and the next is read', () => {
  const told: string[] = []
  const push = createSseTap(100, {
    onEvent: (_type, data) => told.push(Buffer.from(data).toString()),
    onLongEvent: (beginning, sizeBytes) => told.push(`${beginning.length > 0} ${sizeBytes > 100}`),
  })
  push(Buffer.from(`data: ${'x'.repeat(80)}\ndata: ${'y'.repeat(80)}\ndata: z\n\ndata: next\n\n`))
  expect(told).toEqual(['true true', 'next'])
})
