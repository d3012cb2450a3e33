import { AppError } from '@muniment/schema'
import { needMasking } from '../guard/compose.ts'
import type { Guard } from '../guard/guard.ts'
import { createJudge } from '../guard/judge.ts'
import { channelInScope, claim } from '../http/scope.ts'
import type { Host } from '../host.ts'
import { contextOf } from '../identity.ts'
import { isMembers, member, type Members } from '../json.ts'
import { labelOf } from '../message.ts'
import type { Channel } from '../observe.ts'
import type { AttachOptions } from '../options.ts'
import { problem, problemOf, type OnProblem } from '../problem.ts'
import type { Body, Direction, Labels, Transport } from '../record.ts'
import { snapshot } from '../snapshot.ts'
import { guardTransport } from './guarded.ts'
import { listenTo, precede, refused } from './hooks.ts'
import { noOptions, recorderOf } from './recorder.ts'
import { transportOf } from './transport.ts'

type Role = NonNullable<AttachOptions['role']>

function isFunction(value: unknown): value is (...args: unknown[]) => unknown {
  return typeof value === 'function'
}

function bodyOf(message: unknown): Body {
  return snapshot(message)
}

const observed = new WeakSet<object>()
const guarded = new WeakSet<object>()

/** A server connected through `serveStdio` talks to a channel in front of the wire, which may be observed itself. */
function isIn(set: WeakSet<object>, transport: object): boolean {
  if (set.has(transport)) return true
  const wire = member(transport, '_wire')
  return typeof wire === 'object' && wire !== null && set.has(wire)
}

/** Whoever gives a guard would believe the server protected. */
function checkGuarded(transport: object, guard: Guard | undefined): void {
  if (guard === undefined || isIn(guarded, transport)) return
  throw new AppError(
    'INVALID_INPUT',
    'This connection is observed already, without the guard that is given now.',
    {
      hint: 'Give the guard to whatever observes the connection first: tap() of the wire, or attach() of the server.',
    },
  )
}

/** The observer's own faults are told, never thrown into the call. */
function fencedOff(
  onProblem: OnProblem,
  act: (...args: readonly unknown[]) => unknown,
): (...args: readonly unknown[]) => void {
  return (...args) => {
    try {
      act(...args)
    } catch (error) {
      onProblem(problemOf(error, 'A message could not be observed'))
    }
  }
}

interface Target {
  readonly onProblem: OnProblem
  readonly channel: Channel
}

/** Over HTTP the edge may be observed too: what arrived here it leaves to us. */
function claimFor(message: unknown, { info }: Channel): void {
  if (isOverHttp(info.transport)) claim(message, info.id)
}

function isOverHttp(transport: Transport): boolean {
  return transport === 'http' || transport === 'sse'
}

function hook(transport: object, { onProblem, channel }: Target, role: Role): void {
  const [inward, outward]: readonly [Direction, Direction] =
    role === 'server' ? ['client_to_server', 'server_to_client'] : ['server_to_client', 'client_to_server']
  const see = (direction: Direction, message: unknown, extra?: unknown): void =>
    channel.message({ direction, message, body: bodyOf(message), context: contextOf(extra, transport) })
  listenTo(
    transport,
    'onmessage',
    fencedOff(onProblem, (message, extra) => {
      see(inward, message, extra)
      if (role === 'server') claimFor(message, channel)
    }),
  )
  listenTo(
    transport,
    'onclose',
    fencedOff(onProblem, () => channel.close('closed')),
  )
  precede(
    transport,
    'send',
    fencedOff(onProblem, message => see(outward, message)),
  )
}

interface Observing {
  readonly options: AttachOptions
  readonly role: Role
  readonly labels: Labels
}

function noGuardedClient(): AppError {
  return new AppError('INVALID_INPUT', 'A guard stands before servers; a client was given one.', {
    hint: 'Guard the server, or run it under `muniment wrap --enforce`.',
  })
}

function checkTransport(transport: unknown): asserts transport is Members {
  if (!isMembers(transport) || !isFunction(transport['send']) || !isFunction(transport['start']))
    throw new AppError(
      'INVALID_INPUT',
      'What was given to be observed is no MCP transport: it has no send or no start.',
    )
  if (!Object.isExtensible(transport)) throw refused('handlers')
}

/** A connection that is opened in the course of an observed HTTP exchange has the channel on which that recorded its beginning. */
function channelIdOf(kind: Transport, { nextChannelId }: Host): string {
  return (isOverHttp(kind) ? channelInScope() : undefined) ?? nextChannelId()
}

function observeTransport(transport: unknown, { options, role, labels }: Observing): void {
  checkTransport(transport)
  const { host, settings, guard } = recorderOf(options)
  if (isIn(observed, transport)) return checkGuarded(transport, guard)
  if (guard !== undefined && role === 'client') throw noGuardedClient()
  if (role === 'server') needMasking(settings, options.guard)
  const { tenant, onProblem, serverName } = settings
  const kind = options.transport ?? transportOf(transport)
  const info = { id: channelIdOf(kind, host), transport: kind, serverName, tenant }
  const channel = host.core.open(info, { labels })
  // What an HTTP+SSE stream says the edge need not read: it is connected in the course of the request that opens it.
  if (role === 'server' && kind === 'sse') claimFor(undefined, channel)
  if (guard === undefined) hook(transport, { onProblem, channel }, role)
  else stand(transport, guard, { onProblem, channel })
  observed.add(transport)
}

function stand(transport: object, guard: Guard, { onProblem, channel }: Target): void {
  const judge = createJudge({ guard, info: channel.info, labels: channel.labels, onProblem, mayAsk: true })
  guardTransport(transport, { channel, judge, onProblem })
  guarded.add(transport)
}

/**
 * Observes one transport in place and returns it: for connections that no server object sees, such as the wire of `serveStdio`.
 * Throws `INVALID_INPUT` for what is no transport, `CONFIG_INVALID` for options that cannot be meant.
 */
export function tap<T extends object>(transport: T, options: AttachOptions = noOptions): T {
  observeTransport(transport, { options, role: options.role ?? 'server', labels: {} })
  return transport
}

function roleOf(protocol: object): Role {
  return 'callTool' in protocol || 'listTools' in protocol ? 'client' : 'server'
}

/** What the object was constructed with, in both SDK lines. */
function labelsOf(protocol: object, role: Role): Labels {
  const own = labelOf(member(protocol, role === 'server' ? '_serverInfo' : '_clientInfo'))
  return own === undefined ? {} : { [role]: own }
}

function unknownTarget(): AppError {
  return new AppError(
    'INVALID_INPUT',
    'What was given to attach() is no MCP server or client that it knows.',
    {
      hint: 'Give it a Server, McpServer or Client of @modelcontextprotocol/sdk 1.x or of @modelcontextprotocol/server or client 2.x, before it is connected.',
    },
  )
}

/** An SDK that takes its messages elsewhere than the known ones would go unobserved: that is said, never silent. */
function checkHeard(transport: unknown, onProblem: OnProblem): void {
  if (isFunction(member(transport, 'onmessage'))) return
  onProblem(
    problem(
      'SERVICE_ERROR',
      'A connection goes unobserved: this version of the MCP SDK does not take messages as versions 1 and 2 do.',
      'Use an SDK that this version of Muniment knows (1.20 to 2.x), or put `muniment wrap` or `muniment proxy` in front of the server.',
    ),
  )
}

/**
 * Observes every connection of a server or client of the MCP SDK (1.x and 2.x) and returns it; the calls themselves are never
 * delayed or changed. Options are read once: give the same object again where many servers are attached. Throws `INVALID_INPUT`
 * for anything else or for one that is connected already, `CONFIG_INVALID` for options that cannot be meant.
 */
export function attach<T extends object>(server: T, options: AttachOptions = noOptions): T {
  const inner = member(server, 'server')
  const protocol: object = typeof inner === 'object' && inner !== null ? inner : server
  const connect: unknown = Reflect.get(protocol, 'connect')
  if (!isFunction(connect) || !isFunction(member(protocol, 'setRequestHandler'))) throw unknownTarget()
  if (observed.has(protocol)) return server
  if (member(protocol, 'transport') !== undefined)
    throw new AppError(
      'INVALID_INPUT',
      'What was given to attach() is connected already: its calls would go unobserved.',
      { hint: 'Call attach() before connect().' },
    )
  const role = options.role ?? roleOf(protocol)
  const observing = { options, role, labels: labelsOf(protocol, role) }
  const { settings } = recorderOf(options)
  if (role === 'server') needMasking(settings, options.guard)
  Reflect.set(protocol, 'connect', async function (this: unknown, ...args: unknown[]) {
    observeTransport(args[0], observing)
    const connected = await connect.apply(this, args)
    checkHeard(args[0], settings.onProblem)
    return connected
  })
  observed.add(protocol)
  return server
}
