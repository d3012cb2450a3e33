import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Readable, Writable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openLab, programEnv, story, type Lab } from './support.ts'

// Whole programs are started here, also on machines that are busy.
vi.setConfig({ testTimeout: 30_000 })

const runner = fileURLToPath(new URL('wrap-runner.ts', import.meta.url))
const echo = 'process.stdin.pipe(process.stdout)'

let lab: Lab
beforeEach(async () => {
  lab = await openLab()
})
afterEach(() => lab[Symbol.asyncDispose]())

type Run = ChildProcessByStdio<Writable, Readable, Readable>

/** Runs a small program under wrap. */
function wrap(program: string, options: object = {}): Run {
  const settings = JSON.stringify({ home: lab.home, ...options })
  return spawn(process.execPath, [runner, settings, process.execPath, '-e', program], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: programEnv,
  })
}

async function all(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

interface Result {
  readonly out: Buffer
  readonly err: string
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

async function finish(run: Run): Promise<Result> {
  const exit = once(run, 'exit')
  const [out, err] = await Promise.all([all(run.stdout), all(run.stderr)])
  await exit
  return { out, err: err.toString(), code: run.exitCode, signal: run.signalCode }
}

const odd = [
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"b":1,"a":1.0e2,"n":1E400}}}',
  '{"id":2 , "jsonrpc":"2.0","method":"a","method":"tools/list"}',
  '{"jsonrpc":"2.0","id":"x","method":"ping","params":{"s":"\\ud800","e":"\\u0000é\u2028"}}\r',
  '',
  '   ',
  'not json at all',
  '[{"jsonrpc":"2.0","id":7,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/x","params":{"t":"],[\\""}}]',
  '[]',
  'null',
  '{"jsonrpc":"2.0","id":9,"method":"ping","params":{"big":"' + 'x'.repeat(300_000) + '"}}',
]

describe('bytes', () => {
  test('pass unchanged both ways, however strange, and nothing of ours is on stdout', async () => {
    const input = Buffer.concat([
      Buffer.from(`${odd.join('\n')}\n`),
      Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0xc3]),
      Buffer.from('no newline at the end'),
    ])
    const run = wrap(echo)
    run.stdin.end(input)
    const { out, err, code } = await finish(run)
    expect(out.equals(input)).toBe(true)
    expect(err).toBe('')
    expect(code).toBe(0)
  })

  test.each([1, 7])('pass unchanged in pieces of %i bytes, and are recorded the same', async size => {
    const input = Buffer.from(`${odd.slice(0, 9).join('\n')}\n`)
    const run = wrap('process.stdin.resume(); process.stdin.on("end", () => process.exit(0))')
    for (let at = 0; at < input.length; at += size) {
      if (!run.stdin.write(input.subarray(at, at + size))) await once(run.stdin, 'drain')
      if (at % (size * 16) === 0) await new Promise(resolve => setImmediate(resolve))
    }
    run.stdin.end()
    await finish(run)
    expect((await lab.collect()).map(story)).toEqual([
      'heartbeat start',
      'rejected invalid_json',
      'rejected invalid_json',
      'notification notifications/x',
      'rejected invalid_request',
      'rejected invalid_request',
      'unanswered tools/call echo unanswered closed',
      'unanswered tools/list unanswered closed',
      'unanswered ping unanswered closed',
      'unanswered ping unanswered closed',
      'heartbeat end',
    ])
  })

  test('of a message are recorded as they were on the wire', async () => {
    const run = wrap(echo)
    const line = odd[0] ?? ''
    run.stdin.end(`${line}\n`)
    await finish(run)
    const call = (await lab.collect()).filter(({ observation }) => observation.method === 'tools/call')
    expect(call.map(({ request }) => request?.toString())).toEqual([line, line])
  })

  test('of lines of 16 MiB pass and are recorded whole', async () => {
    const text = 'y'.repeat(16 * 1024 * 1024)
    const line = `{"jsonrpc":"2.0","method":"notifications/big","params":{"text":"${text}"}}`
    const run = wrap('process.stdin.resume()')
    run.stdin.end(`${line}\n`)
    await finish(run)
    const [, big] = await lab.collect()
    expect(big?.observation.request?.size_bytes).toBe(line.length)
    expect(big?.request?.equals(Buffer.from(line))).toBe(true)
  })

  test('of a line without end pass, and its beginning is recorded', async () => {
    const line = Buffer.alloc(26 * 1024 * 1024, 'z')
    const run = wrap('let n=0;process.stdin.on("data",c=>{n+=c.length}).on("end",()=>console.log(n))')
    run.stdin.end(line)
    const { out } = await finish(run)
    expect(Number(out.toString())).toBe(line.length)
    const seen = await lab.collect()
    const long = seen.find(({ observation }) => observation.error?.type === 'too_large')
    expect(long?.observation.request).toEqual({ size_bytes: line.length, truncated: true })
    expect(long?.request?.length).toBe(64 * 1024)
  })
})

describe('the command', () => {
  test.each([0, 42])('that exits with %i ends the wrap with the same code', async code => {
    const { code: seen } = await finish(wrap(`process.exit(${code})`))
    expect(seen).toBe(code)
  })

  test('that dies of a signal gives 128 and its number', async () => {
    const { code } = await finish(wrap('process.kill(process.pid, "SIGKILL")'))
    expect(code).toBe(137)
  })

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('gets %s and decides what it means', async signal => {
    const run = wrap(
      `process.on("${signal}", () => { console.log("got it"); process.exit(7) }); console.log("ready"); setInterval(() => {}, 1000)`,
    )
    await once(run.stdout, 'data')
    run.kill(signal)
    const { code, out } = await finish(run)
    expect([code, out.toString()]).toEqual([7, 'got it\n'])
  })

  test('keeps its stderr', async () => {
    const { err } = await finish(wrap('console.error("trouble")'))
    expect(err).toBe('trouble\n')
  })

  test('sees the end of its input', async () => {
    const run = wrap('process.stdin.on("end", () => console.log("bye")).resume()')
    run.stdin.end()
    expect((await finish(run)).out.toString()).toBe('bye\n')
  })

  test('is told where nobody reads its output any more', async () => {
    const run = wrap(
      'process.stdout.on("error", () => process.exit(9)); setInterval(() => console.log("x".repeat(9000)), 5)',
    )
    await once(run.stdout, 'data')
    run.stdout.destroy()
    await once(run, 'exit')
    expect(run.exitCode).toBe(9)
  })

  test.each<[string, (run: Run) => Promise<unknown>]>([
    ['at once', async run => run.stdin.end()],
    // The command says that it was asked before its input ends.
    ['a moment later', async run => once(run.stdout, 'data').then(() => run.stdin.end())],
  ])('that ignores SIGTERM is not left behind, its client having gone %s', async (_, leave) => {
    const run = wrap(
      'process.on("SIGTERM", () => console.log("no")); process.stdin.resume(); console.log(process.pid); setInterval(() => {}, 1000)',
    )
    const [pid] = await once(run.stdout, 'data')
    run.kill('SIGTERM')
    await leave(run)
    await once(run, 'exit')
    expect(() => process.kill(Number(String(pid)), 0)).toThrow('ESRCH')
  })

  test('that cannot be started is named, with nothing on stdout', async () => {
    const run = spawn(process.execPath, [runner, JSON.stringify({ home: lab.home }), '/no/such/command'], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: programEnv,
    })
    const { code, out, err } = await finish(run)
    expect([code, out.length]).toEqual([127, 0])
    expect(err).toContain('/no/such/command')
  })
})

describe('the record', () => {
  test('waits in memory for the ingest key, says so once on stderr, and does not hold the command up', async () => {
    const home = join(lab.home, 'other')
    await mkdir(home)
    const run = wrap(echo, { home })
    run.stdin.write(`${odd[0]}\n`)
    await once(run.stdout, 'data')
    await once(run.stderr, 'data').then(([text]) => expect(String(text)).toContain('SECRET_MISSING'))
    await writeFile(join(home, 'ingest.pub'), lab.ingestKey)
    run.stdin.end()
    const { err, code } = await finish(run)
    expect([code, err]).toEqual([0, ''])
  })

  test('is lost where no key ever comes, and the end says why', async () => {
    const home = join(lab.home, 'keyless')
    await mkdir(home)
    const run = wrap(echo, { home, closeDeadlineMs: 300 })
    run.stdin.end(`${odd[0]}\n`)
    const { err, code } = await finish(run)
    expect(code).toBe(0)
    expect(err).toMatch(
      /SECRET_MISSING: \d+ observations were lost when the process ended: there was no ingest key/u,
    )
    expect(err).toMatch(/Before the next start, run `muniment up` once/u)
    expect(err).not.toContain('DISK_UNUSABLE')
  })

  test('is not made where the disk refuses, and the conversation goes on', async () => {
    const home = join(lab.home, 'file')
    await writeFile(home, 'not a folder')
    const run = wrap(echo, { home, ingestKey: lab.ingestKey, closeDeadlineMs: 300 })
    run.stdin.end(`${odd[0]}\n`)
    const { out, err, code } = await finish(run)
    expect([out.toString(), code]).toEqual([`${odd[0]}\n`, 0])
    expect(err).toContain('DISK_UNUSABLE')
  })
})
