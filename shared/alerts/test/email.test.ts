import { once } from 'node:events'
import { createServer } from 'node:net'
import { SMTPServer } from 'smtp-server'
import { expect, test } from 'vitest'
import { openSink, type SinkConfig } from '../src/index.ts'
import { alert, notice } from './alerts.ts'
import { testSink, type SinkLab } from './sink-contract.ts'

type EmailConfig = Extract<SinkConfig, { kind: 'email' }>

interface MailLab extends SinkLab {
  readonly letters: string[]
  readonly recipients: string[]
}

function failure(code: number, text: string): Error {
  return Object.assign(new Error(text), { responseCode: code })
}

/** A real SMTP server on loopback that keeps letters. */
async function openMailServer(config: Partial<EmailConfig> = {}, options: object = {}): Promise<MailLab> {
  const letters: string[] = []
  const recipients: string[] = []
  const mood = { failures: 0, isRefusing: false }
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    logger: false,
    onAuth: ({ username, password }, _session, done) =>
      username === 'muniment' && password === 'made-up-password'
        ? done(null, { user: username })
        : done(failure(535, 'no')),
    onRcptTo: ({ address }, _session, done) => {
      recipients.push(address)
      done()
    },
    onData: (stream, _session, done) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        if (mood.isRefusing) return done(failure(554, 'refused'))
        if (mood.failures-- > 0) return done(failure(451, 'later'))
        letters.push(Buffer.concat(chunks).toString())
        return done()
      })
    },
    ...options,
  })
  server.on('error', () => undefined)
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', () => resolve())
  })
  const address = server.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const sink = await openSink({
    kind: 'email',
    host: '127.0.0.1',
    port,
    tls: 'none',
    from: 'muniment@example.org',
    to: ['ops@example.org', 'sec@example.org'],
    firstPauseMs: 1,
    random: () => 0,
    ...config,
  })
  return {
    sink,
    letters,
    recipients,
    taken: () => letters.map(text => /^muniment-notice: (.+)\r$/imu.exec(text)?.[1] ?? 'none'),
    failNext: count => Object.assign(mood, { failures: count }),
    refuse: () => Object.assign(mood, { isRefusing: true }),
    [Symbol.asyncDispose]: async () => {
      await sink[Symbol.asyncDispose]()
      await new Promise<void>(resolve => {
        server.close(() => resolve())
      })
    },
  }
}

testSink('email', openMailServer)

const { signal } = new AbortController()

test('a letter goes to everybody, has the id of its alert, and no caller can add a header to it', async () => {
  await using lab = await openMailServer()
  const shown = { ...alert(4), message: 'nice\r\nBcc: mallory@example.org\r\n\r\nforged' }
  await lab.sink.deliver({ kind: 'alert', alert: shown }, signal)
  expect(lab.recipients).toEqual(['ops@example.org', 'sec@example.org'])
  const [head = '', ...rest] = (lab.letters[0] ?? '').split('\r\n\r\n')
  expect(head).toMatch(/^message-id: <alert-4@muniment\.invalid>$/imu)
  expect(head).toMatch(/^subject: \[High\] nice Bcc: mallory@example\.org forged$/imu)
  expect(head).not.toMatch(/^bcc:/imu)
  expect(rest.join('')).toContain('alert-4')
})

test.each([
  ['the right password', 'made-up-password', 1],
  ['a wrong password', 'another-password', 0],
])('with %s it delivers %#', async (_, password, count) => {
  const auth = { user: 'muniment', password }
  await using lab = await openMailServer(auth, { authOptional: false, allowInsecureAuth: true })
  const error = await lab.sink.deliver(notice(0), signal).catch((reason: unknown) => reason)
  expect(lab.letters).toHaveLength(count)
  expect(JSON.stringify(error ?? '') + String(error)).not.toContain('password')
})

test.each([
  ['not offered', {}],
  ['offered by a certificate that nobody vouches for', { disabledCommands: [] }],
])('where TLS is asked for and %s, nothing goes out in the clear', async (_, options) => {
  await using lab = await openMailServer({ tls: 'starttls', attempts: 2 }, options)
  await expect(lab.sink.deliver(notice(0), signal)).rejects.toMatchObject({ name: 'AppError' })
  expect(lab.letters).toEqual([])
  expect(lab.recipients).toEqual([])
})

test('a server that takes the call and says nothing is given up', async () => {
  const silent = createServer(() => undefined)
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const address = silent.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await using lab = await openMailServer({ port, timeoutMs: 50, attempts: 2 })
  await expect(lab.sink.deliver(notice(0), signal)).rejects.toMatchObject({ code: 'DEPENDENCY_UNREACHABLE' })
  silent.close()
})
