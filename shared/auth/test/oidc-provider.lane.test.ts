import { afterAll, beforeAll, expect, test } from 'vitest'
import { oauth, type AuthOutcome } from '@muniment/auth'
import { startAuthorizationServer, type AuthorizationServer } from './authorization-server.ts'
import { bearing, clockAt, outcomeOf } from './request.ts'

const [mine, other] = ['http://127.0.0.1:3000/mcp', 'http://127.0.0.1:3000/other']

let server: AuthorizationServer

beforeAll(async () => {
  server = await startAuthorizationServer({ [mine]: 'mcp:read mcp:write', [other]: 'mcp:read' })
})
afterAll(() => server.close())

function shortly(outcome: AuthOutcome): string {
  return 'refusal' in outcome ? `${outcome.refusal.status} ${outcome.reason}` : outcome.principal.id
}

test('tokens of an authorization server that others wrote are taken, for this resource only, through a rotation of its keys', async () => {
  const clock = clockAt(Date.now())
  const way = oauth({
    issuer: server.issuer,
    resources: [mine],
    scopes: ['mcp:read'],
    cacheMs: 0,
    now: clock.now,
  })
  const tell = async (token: string): Promise<string> => shortly(await outcomeOf(way, bearing(token)))
  const old = await server.clientToken(mine, 'mcp:read')
  expect(await tell(old)).toBe('robot')
  expect(await tell(await server.clientToken(mine, 'mcp:write'))).toBe('403 scope_insufficient')
  expect(await tell(await server.clientToken(other, 'mcp:read'))).toBe('401 token_aud_refused')
  server.rotate()
  clock.pass(31_000)
  expect(await tell(await server.clientToken(mine, 'mcp:read'))).toBe('robot')
  expect(await tell(old)).toBe('401 token_key_unknown')
})
