import { describe, expect, test } from 'vitest'
import { alertsSectionSchema, openRoutes, type Route, type RouteSources } from '../src/index.ts'

const secrets = {
  pager: 'made-up-key-of-the-pager',
  slack: 'https://hooks.example/T0/B0/made-up',
  mail: 'pw',
}

function sources(more: Partial<RouteSources> = {}): RouteSources {
  return {
    secrets: async () => secrets,
    write: async () => undefined,
    onListening: () => undefined,
    now: Date.now,
    random: Math.random,
    ...more,
  }
}

async function refusing(): Promise<never> {
  return Promise.reject(new Error('asked'))
}

async function open(sinks: unknown, more: Partial<RouteSources> = {}): Promise<readonly Route[]> {
  return openRoutes(alertsSectionSchema.parse({ sinks }), sources(more))
}

const mail = { kind: 'email', host: 'mail.example', from: 'a@example.org', to: ['b@example.org'] }

describe('the section alerts', () => {
  test('opens every sink under its name, with its filter and its rate', async () => {
    const routes = await open({
      pager: { kind: 'webhook', url: 'https://pager.example/hook', secret: 'pager', min_severity: 'high' },
      team: { kind: 'slack', secret: 'slack', tenant: 'acme' },
      post: { ...mail, user: 'u', secret: 'mail', per_minute: 2 },
      log: { kind: 'stdout', rule: ['sql-injection'] },
    })
    expect(routes.map(({ name, sink, filter, rate }) => [name, sink.kind, filter, rate])).toEqual([
      ['pager', 'webhook', { minSeverity: 'high' }, undefined],
      ['team', 'slack', { tenant: 'acme' }, { perMinute: 20, burst: 4 }],
      ['post', 'email', {}, { perMinute: 2, burst: 1 }],
      ['log', 'stdout', { rule: ['sql-injection'] }, undefined],
    ])
  })

  test('asks for secrets only where a sink names one', async () => {
    expect(await open({ log: { kind: 'stdout' } }, { secrets: refusing })).toHaveLength(1)
  })

  test.each([
    ['an unknown kind', { x: { kind: 'pigeon' } }],
    ['a secret written down', { x: { kind: 'slack', url: 'https://hooks.example/x' } }],
    ['an unknown key', { x: { kind: 'stdout', colour: 'red' } }],
    [
      'a URL with credentials',
      { x: { kind: 'webhook', url: 'https://u:p@pager.example/', secret: 'pager' } },
    ],
    ['a recipient with a line end', { x: { ...mail, to: ['b@example.org\r\nBcc: c@example.org'] } }],
    ['nobody to write to', { x: { ...mail, to: [] } }],
    ['a name that is no name', { 'Not A Name': { kind: 'stdout' } }],
  ])('refuses %s', (_, sinks) => {
    expect(alertsSectionSchema.safeParse({ sinks }).success).toBe(false)
  })

  test.each([
    ['a secret that is not there', { x: { kind: 'slack', secret: 'nowhere' } }, 'alerts.sinks.x'],
    ['a password in the clear', { x: { ...mail, tls: 'none', user: 'u', secret: 'mail' } }, 'in the clear'],
    ['a user without a password', { x: { ...mail, user: 'u' } }, 'user and secret'],
    ['a secret that is no URL', { x: { kind: 'slack', secret: 'mail' } }, 'incoming webhook'],
  ])('stops the start for %s, by name and without the value', async (_, sinks, message) => {
    const error = await open(sinks).catch((reason: unknown) => reason)
    expect(String(error)).toContain(message)
    for (const value of Object.values(secrets)) expect(String(error)).not.toContain(`"${value}"`)
  })
})
