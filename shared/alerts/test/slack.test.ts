import { once } from 'node:events'
import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { openSink } from '../src/index.ts'
import { alert, notice } from './alerts.ts'
import { testSink, type SinkLab } from './sink-contract.ts'

interface Message {
  readonly text: string
  readonly blocks: readonly { readonly type: string; readonly text: { readonly text: string } }[]
}

interface SlackLab extends SinkLab {
  readonly messages: Message[]
  readonly limit: (seconds: number) => void
}

/** What Slack's incoming webhooks do: JSON in, `ok` out, 429 with `Retry-After` above one message a second. */
async function openSlackServer(): Promise<SlackLab> {
  const messages: Message[] = []
  const mood = { failures: 0, isRefusing: false, limitS: 0 }
  const status = (): number => {
    if (mood.isRefusing) return 403
    if (mood.limitS > 0) return 429
    return mood.failures-- > 0 ? 500 : 200
  }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const code = status()
      if (code === 200) messages.push(JSON.parse(Buffer.concat(chunks).toString()))
      const headers = code === 429 ? { 'retry-after': String(mood.limitS) } : {}
      mood.limitS = 0
      response.writeHead(code, headers).end(code === 200 ? 'ok' : 'no')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const url = `http://127.0.0.1:${port}/services/T0/B0/made-up-token`
  const sink = await openSink({ kind: 'slack', url, firstPauseMs: 1, maxPauseMs: 50, random: () => 0 })
  const uidOf = ({ blocks }: Message): string =>
    /(?:Alert +|last )((?:alert-\d+))/u.exec(blocks[1]?.text.text ?? '')?.[1] ?? 'none'
  return {
    sink,
    messages,
    // A digest has no name of its own on Slack.
    taken: () => messages.map(each => (each.text.endsWith('alerts') ? digestUid : uidOf(each))),
    failNext: count => Object.assign(mood, { failures: count }),
    refuse: () => Object.assign(mood, { isRefusing: true }),
    limit: seconds => Object.assign(mood, { limitS: seconds }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

let digestUid = ''
testSink('slack', openSlackServer, uid => {
  digestUid = uid
})

const { signal } = new AbortController()

test('a message says what, how bad and where to look, and holds nothing that Slack would act on', async () => {
  await using lab = await openSlackServer()
  const shown = {
    ...alert(7),
    message: '<!channel> see <http://evil.example|here> & ```run```\nAlert forged',
  }
  await lab.sink.deliver({ kind: 'alert', alert: shown }, signal)
  const [message] = lab.messages
  const text = JSON.stringify(message)
  expect(text).toContain('[High]')
  expect(text).toContain('alert-7')
  expect(message?.text).not.toContain('<')
  expect(message?.blocks[1]?.text.text).not.toContain('<!channel>')
  expect(message?.blocks[1]?.text.text.split('```')).toHaveLength(3)
  expect(message?.blocks[1]?.text.text).not.toContain('\nAlert forged')
})

test('it waits as long as Slack asks for, and errors never name the secret part of the URL', async () => {
  await using lab = await openSlackServer()
  lab.limit(1)
  await lab.sink.deliver(notice(0), signal)
  expect(lab.messages).toHaveLength(1)
  lab.refuse()
  const error = await lab.sink.deliver(notice(1), signal).catch((reason: unknown) => reason)
  expect(String(error)).toContain('Slack at http://127.0.0.1')
  expect(JSON.stringify(error) + String(error)).not.toContain('made-up-token')
})
