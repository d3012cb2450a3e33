import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, request } from 'node:https'
import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mutualTls, type AuthOutcome, type MutualTlsOptions } from '@muniment/auth'
import { createAuthority, hasOpenssl, type Authority, type Signed } from './certificates.ts'
import { asking, clockAt, outcomeOf } from './request.ts'

const forClients = ['extendedKeyUsage=clientAuth', 'basicConstraints=CA:FALSE']
const named = (name: string, ...more: readonly string[]): string[] => [
  `subjectAltName=${name}`,
  ...forClients,
  ...more,
]
const alice = 'URI:spiffe://example/alice'

function shortly(outcome: AuthOutcome): string {
  return 'refusal' in outcome ? `${outcome.refusal.status} ${outcome.reason}` : outcome.principal.id
}

async function tell({ der }: Pick<Signed, 'der'>, options: MutualTlsOptions): Promise<string> {
  return shortly(await outcomeOf(mutualTls(options), asking({}, { certificate: der })))
}

describe.skipIf(!hasOpenssl())('a client certificate', () => {
  let folder = ''
  let root: Authority
  let other: Authority
  let middle: Authority

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muniment-mtls-'))
    root = createAuthority(join(folder, 'root'), 'root')
    // The same name, another key.
    other = createAuthority(join(folder, 'other'), 'root')
    middle = root.below('middle')
  })
  afterAll(async () => rm(folder, { recursive: true, force: true, maxRetries: 10 }))

  test.each([
    ['a URI', 'URI:spiffe://example/alice', 'spiffe://example/alice'],
    ['the first kind that is asked for', 'DNS:a.example,email:a@example.com', 'a@example.com'],
    ['a DNS name', 'DNS:agent.example', 'agent.example'],
  ])('is known by %s', async (kind, name, id) => {
    expect(await tell(root.sign(`named-${kind.length}`, named(name)), { authorities: root.pem })).toBe(id)
  })

  test.each<[string, () => Pick<Signed, 'der'>, string]>([
    [
      'of another authority with the same name',
      () => other.sign('forged', named(alice)),
      '401 certificate_untrusted',
    ],
    [
      'that is for servers',
      () => root.sign('server', [`subjectAltName=${alice}`, 'extendedKeyUsage=serverAuth']),
      '401 certificate_not_for_clients',
    ],
    [
      'that says nothing of what it is for',
      () => root.sign('any', [`subjectAltName=${alice}`]),
      '401 certificate_not_for_clients',
    ],
    [
      'that is an authority',
      () =>
        root.sign('authority', [
          `subjectAltName=${alice}`,
          'extendedKeyUsage=clientAuth',
          'basicConstraints=CA:TRUE',
        ]),
      '401 certificate_not_for_clients',
    ],
    ['that expired', () => root.sign('late', named(alice), 0), '401 certificate_out_of_time'],
    ['with a common name only', () => root.sign('common', forClients), '401 certificate_without_name'],
    [
      'below an authority that is not there',
      () => middle.sign('deep', named(alice)),
      '401 certificate_untrusted',
    ],
    ['that is none', () => ({ der: Buffer.from('none') }), '401 certificate_malformed'],
  ])('%s is refused', async (_, make, expected) => {
    expect(await tell(make(), { authorities: root.pem })).toBe(expected)
  })

  test('that signed itself is refused, and so is one below a client certificate', async () => {
    const self = createAuthority(join(folder, 'self'), 'alice')
    const client = root.sign('below', named(alice))
    const forged = await readFile(client.certFile, 'utf8')
    expect(
      await tell(
        { der: Buffer.from(self.pem.replaceAll(/-----[^-]+-----|\s/gu, ''), 'base64') },
        { authorities: root.pem },
      ),
    ).toBe('401 certificate_untrusted')
    expect(() => mutualTls({ authorities: `${root.pem}${forged}` })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID' }),
    )
  })

  test('is taken through an authority in between, whose revocation counts too', async () => {
    const client = middle.sign('carol', named('URI:spiffe://example/carol'))
    const authorities = `${middle.pem}${root.pem}`
    expect(await tell(client, { authorities })).toBe('spiffe://example/carol')
    const lists = [middle.list(), root.list()]
    expect(await tell(client, { authorities, readLists: async () => await Promise.resolve(lists) })).toBe(
      'spiffe://example/carol',
    )
    root.revoke({ certFile: join(folder, 'root', 'middle.pem') })
    const after = [lists.slice(0, 1), [root.list()]].flat()
    expect(await tell(client, { authorities, readLists: async () => await Promise.resolve(after) })).toBe(
      '401 certificate_revoked',
    )
  })

  test('that is revoked is refused as soon as the list is read again', async () => {
    const clock = clockAt(Date.now() + 2000)
    const [client, innocent] = [root.sign('dave', named(alice)), root.sign('erin', named('URI:erin'))]
    let list = root.list()
    const way = mutualTls({
      authorities: root.pem,
      readLists: async () => await Promise.resolve([list]),
      now: clock.now,
    })
    const ask = async ({ der }: Signed): Promise<string> =>
      shortly(await outcomeOf(way, asking({}, { certificate: der })))
    expect(await ask(client)).toBe('spiffe://example/alice')
    root.revoke(client)
    list = root.list()
    clock.pass(301_000)
    expect(await ask(client)).toBe('401 certificate_revoked')
    expect(await ask(innocent)).toBe('erin')
  })

  describe('whose revocation cannot be checked', () => {
    let client: Signed
    beforeAll(() => {
      client = root.sign('frank', named(alice))
    })
    test.each<[string, () => readonly Uint8Array[]]>([
      ['there is no list', () => []],
      ['the list is of another authority', () => [other.list()]],
      ['the list is damaged', () => [Buffer.from('damaged')]],
      [
        'the list is altered',
        () => {
          const pem = root.list().toString()
          const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/gu, ''), 'base64')
          der[der.length - 5] = (der[der.length - 5] ?? 0) ^ 1
          return [der]
        },
      ],
      ['the list is a delta', () => [root.list({ extensions: 'delta' })]],
    ])('because %s is refused where the policy says so, and taken where it does not', async (_, lists) => {
      const options = { authorities: root.pem, readLists: async () => await Promise.resolve(lists()) }
      expect(await tell(client, options)).toBe('503 certificate_revocation_unknown')
      expect(await tell(client, { ...options, revocation: 'known' })).toBe('spiffe://example/alice')
    })

    test('because the list is too old is refused', async () => {
      const list = root.list({ hours: 1 })
      const readLists = async (): Promise<readonly Uint8Array[]> => await Promise.resolve([list])
      expect(await tell(client, { authorities: root.pem, readLists, now: () => Date.now() + 1000 })).toBe(
        'spiffe://example/alice',
      )
      expect(
        await tell(client, { authorities: root.pem, readLists, now: () => Date.now() + 3_700_000 }),
      ).toBe('503 certificate_revocation_unknown')
    })
  })

  test('is read from a real connection, also from one that TLS alone would let through', async () => {
    const [server, client] = [
      root.sign('localhost', ['subjectAltName=DNS:localhost', 'extendedKeyUsage=serverAuth']),
      root.sign('grace', named('URI:grace')),
    ]
    const way = mutualTls({ authorities: root.pem })
    const https = createServer(
      {
        key: await readFile(server.keyFile),
        cert: await readFile(server.certFile),
        ca: root.pem,
        requestCert: true,
        rejectUnauthorized: false,
      },
      (incoming, response) => {
        // eslint-disable-next-line typescript/no-unsafe-type-assertion
        const certificate = (incoming.socket as TLSSocket).getPeerX509Certificate()?.raw
        void outcomeOf(way, asking({}, { certificate })).then(outcome => response.end(shortly(outcome)))
      },
    )
    await once(https.listen(0, '127.0.0.1'), 'listening')
    const address = https.address()
    const call = async (own: object): Promise<string> =>
      await new Promise((resolve, reject) => {
        request(
          {
            port: typeof address === 'object' ? address?.port : 0,
            host: '127.0.0.1',
            servername: 'localhost',
            ca: root.pem,
            agent: false,
            ...own,
          },
          answer => {
            let text = ''
            answer.on('data', chunk => (text += String(chunk))).on('end', () => resolve(text))
          },
        )
          .on('error', reject)
          .end()
      })
    expect(await call({ key: await readFile(client.keyFile), cert: await readFile(client.certFile) })).toBe(
      'grace',
    )
    expect(await call({})).toBe('401 no_credential')
    https.close()
    https.closeAllConnections()
  })
})

test.each<[string, MutualTlsOptions]>([
  ['no authority', { authorities: '' }],
  [
    'an authority that is none',
    { authorities: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' },
  ],
])('%s stops the start', (_, options) => {
  expect(() => mutualTls(options)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
})
