import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import type { ProxyOptions, ProxyRoute } from '@muniment/interceptor/proxy'
import type { Config } from '@muniment/runtime'
import { AppError } from '@muniment/schema'
import { authenticationOf } from '../authenticate.ts'
import type { Call, CliCommand } from '../command.ts'
import { guardOf } from '../guard-of.ts'
import { ensureIngestKey } from '../ingest-key.ts'
import { attachOptions } from '../interceptor-options.ts'
import { flag, numberOption, positiveInteger, textOption, textOptions } from '../options.ts'
import { requireProduction } from '../production/require.ts'

type Options = Call['options']
type Metadata = Pick<ProxyRoute, 'resourceMetadata'>

function invalid(message: string, hint: string): AppError {
  return new AppError('INVALID_INPUT', message, { hint })
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', `${path} cannot be read.`, { cause })
  }
}

/** `URL`, or `/path=URL` where several share the proxy. */
function routeOf(text: string, metadata: Metadata): ProxyRoute {
  const [, path, address = text] = /^(\/[^=]*)=(.*)$/u.exec(text) ?? []
  if (!URL.canParse(address) || !/^https?:\/\//iu.test(address))
    throw invalid(
      `${JSON.stringify(text.slice(0, 200))} is not an upstream.`,
      'Write --upstream http://127.0.0.1:4101/mcp, or --upstream /files=http://127.0.0.1:4101/mcp.',
    )
  const upstream = new URL(address)
  if (path === undefined) return { upstream, ...metadata }
  return { path, upstream, serverName: path.replace(/^\/|\/$/gu, ''), ...metadata }
}

function metadataOf(options: Options): Metadata {
  const file = textOption(options, 'resourceMetadata')
  if (file === undefined) return {}
  try {
    const value: unknown = JSON.parse(readFile(file))
    if (typeof value === 'object' && value !== null) return { resourceMetadata: { ...value } }
  } catch (cause) {
    throw new AppError('CONFIG_INVALID', `${file} holds no JSON.`, { cause })
  }
  throw new AppError('CONFIG_INVALID', `${file} holds no JSON object.`)
}

function routesOf(options: Options): ProxyRoute[] {
  const texts = textOptions(options, 'upstream')
  if (texts.length === 0)
    throw invalid('Say in front of which server to stand.', 'Give --upstream http://127.0.0.1:4101/mcp.')
  return texts.map(text => routeOf(text, metadataOf(options)))
}

type Patterns = ReadonlyMap<string | undefined, readonly string[]>

/** Patterns for all upstreams, and for the one at the path that stands before them, as in `/files=delete_*`. */
function failClosedOf(options: Options): Patterns {
  const patterns = new Map<string | undefined, string[]>()
  for (const text of textOptions(options, 'failClosed')) {
    const [, path, own = text] = /^(\/[^=]*)=(.*)$/u.exec(text) ?? []
    patterns.set(path, [...(patterns.get(path) ?? []), ...own.split(',')])
  }
  return patterns
}

type Delivered = Pick<ProxyOptions, 'routes' | 'delivery'>

/** What no upstream, or one of several, must see unrecorded. */
function deliveryOf(options: Options, { interceptor: { delivery } }: Config): Delivered {
  const patterns = failClosedOf(options)
  const given = (path: string | undefined): Pick<ProxyRoute, 'delivery'> => {
    const failClosed = patterns.get(path)
    return failClosed === undefined ? {} : { delivery: { ...delivery, failClosed } }
  }
  const routes = routesOf(options).map((route): ProxyRoute =>
    Object.assign(route, route.path === undefined ? {} : given(route.path)),
  )
  const stray = [...patterns.keys()].find(path => routes.every(route => route.path !== path))
  if (stray === undefined) return { ...given(undefined), routes }
  throw invalid(
    `--fail-closed names ${stray}, where no upstream is.`,
    'Write the path as --upstream does: --upstream /files=http://… --fail-closed "/files=delete_*".',
  )
}

function addressOf(options: Options): Pick<ProxyOptions, 'host' | 'port'> {
  const text = textOption(options, 'listen') ?? '127.0.0.1:8080'
  const [, host, port] = /^(?:(\[[^\]]+\]|[^:]+):)?(\d{1,5})$/u.exec(text) ?? []
  if (port === undefined || Number(port) > 65_535)
    throw invalid(
      `${JSON.stringify(text)} is no address to listen on.`,
      'Write host:port, as in 127.0.0.1:8080.',
    )
  return { host: host?.replace(/^\[|\]$/gu, '') ?? '127.0.0.1', port: Number(port) }
}

function tlsOf(options: Options, { proxy: { tls } }: Config): Pick<ProxyOptions, 'tls'> {
  const clientCa = textOption(options, 'clientCa')
  if (tls !== undefined)
    return {
      tls: {
        cert: readFile(tls.certFile),
        key: readFile(tls.keyFile),
        ...(clientCa !== undefined && { clientCa: readFile(clientCa) }),
      },
    }
  if (clientCa === undefined) return {}
  throw invalid(
    '--client-ca asks for certificates, but nothing is served over TLS.',
    'Set MCP_TLS_CERT and MCP_TLS_KEY.',
  )
}

function upstreamTlsOf(options: Options): Pick<ProxyOptions, 'upstreamTls'> {
  const [ca, cert, key] = ['upstreamCa', 'upstreamCert', 'upstreamKey'].map(name => textOption(options, name))
  if ((cert === undefined) !== (key === undefined))
    throw invalid('--upstream-cert and --upstream-key belong together.', 'Give both, or neither.')
  return {
    upstreamTls: {
      ...(ca !== undefined && { ca: readFile(ca) }),
      ...(cert !== undefined && { cert: readFile(cert) }),
      ...(key !== undefined && { key: readFile(key) }),
    },
  }
}

function proxyOptions(options: Options, config: Config): ProxyOptions {
  const publicUrl = textOption(options, 'publicUrl')
  const maxBodyBytes = numberOption(options, 'maxBodyBytes')
  if (publicUrl !== undefined && !URL.canParse(publicUrl))
    throw invalid(`${JSON.stringify(publicUrl)} is not a URL.`, 'Write --public-url https://mcp.example.com.')
  return {
    ...attachOptions(config, textOption(options, 'serverName')),
    ...addressOf(options),
    ...tlsOf(options, config),
    ...upstreamTlsOf(options),
    ...deliveryOf(options, config),
    allowedOrigins: config.proxy.allowedOrigins,
    keepHost: flag(options, 'keepHost'),
    ...(publicUrl !== undefined && { publicOrigin: new URL(publicUrl).origin }),
    ...(maxBodyBytes !== undefined && { limits: { maxBodyBytes } }),
  }
}

function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text]
}

/** Stands in front of MCP servers that speak HTTP and observes them. */
export const proxyCommand: CliCommand = {
  name: 'proxy',
  summary: 'Stand in front of an HTTP MCP server and record its calls',
  help: `Bytes pass as they come, in both directions; records wait, sealed, under MUNIMENT_HOME until \`muniment up\` collects them, or go to Kafka where MUNIMENT_BUS says
so. A single URL is served path for path, with everything at its origin; several share the proxy as /path=URL. /livez and /readyz are the proxy's own.

On a loopback address it answers only who calls it by a loopback name (DNS rebinding). MASK_PII_BEFORE_LLM=true masks personal data before the model reads it. MCP_TLS_CERT and MCP_TLS_KEY serve TLS; MCP_ALLOWED_ORIGINS
lets pages call and makes the proxy answer for CORS. OAuth metadata of the upstream (RFC 9728) are passed on with the address of the proxy.

The section auth of muniment.yaml says who may call: tokens of OAuth issuers, API keys (muniment keys api), client certificates. What proves that ends at the proxy.`,
  examples: [
    ['muniment proxy --upstream http://127.0.0.1:4101/mcp', 'clients call http://127.0.0.1:8080/mcp'],
    [
      'muniment proxy --listen 0.0.0.0:8443 --public-url https://mcp.example.com --upstream /files=http://10.0.0.5:4101/mcp --upstream /notes=http://10.0.0.6/mcp',
      'several, by path',
    ],
    [
      "muniment proxy --upstream http://127.0.0.1:4101/mcp --fail-closed 'delete_*,send_mail'",
      'let no such call reach the server before it is recorded',
    ],
    [
      'MCP_TLS_CERT=chain.pem MCP_TLS_KEY=key.pem muniment proxy --client-ca clients.pem --upstream https://mcp.internal/mcp --upstream-ca internal.pem',
      'TLS on both sides, clients known by their certificates',
    ],
  ],
  configure: command => {
    command
      .option('--upstream <url>', 'the server, or /path=URL; may be given several times', collect)
      .option('--listen <host:port>', 'where to listen (default: 127.0.0.1:8080)')
      .option('--server-name <name>', 'how the server is called in events; default what it calls itself')
      .option('--public-url <url>', 'origin under which clients know the proxy; default what they say')
      .option('--keep-host', 'let the upstream see the Host that clients sent')
      .option('--client-ca <file>', 'authorities of client certificates; every client must show one')
      .option('--upstream-ca <file>', 'authorities of the upstream, instead of the usual ones')
      .option('--upstream-cert <file>', 'certificate to show to the upstream')
      .option('--upstream-key <file>', 'its private key')
      .option(
        '--resource-metadata <file>',
        'answer OAuth metadata (RFC 9728) with this JSON, not the upstream’s',
      )
      .option(
        '--fail-closed <patterns>',
        'requests that must be recorded first, as wrap takes them; /path=patterns for one of several upstreams',
        collect,
      )
      .option('--enforce', 'refuse what `muniment block` and rules decided; see muniment block --help')
      .option(
        '--authorise <file>',
        'let callers use and see only what these rules allow; see muniment policy --help',
      )
      .option('--max-body-bytes <n>', 'most bytes of a request’s body (default: 33554432)', positiveInteger)
  },
  run: async ({ options, config, io, printer }) => {
    const settings = await config()
    requireProduction(settings, { io, printer }, 'proxy')
    const authorise = textOption(options, 'authorise')
    const unguarded = proxyOptions(options, settings)
    const others = await guardOf(settings, { enforce: flag(options, 'enforce'), authorise })
    const guard = [...(await authenticationOf(settings, unguarded)), ...(others.guard ?? [])]
    const proxyWith = guard.length === 0 ? unguarded : { ...unguarded, guard }
    await ensureIngestKey(settings)
    const { startProxy } = await import('@muniment/interceptor/proxy')
    const proxy = await startProxy(proxyWith)
    const [first] = proxyWith.routes
    const path = first?.path ?? first?.upstream.pathname ?? ''
    printer.answer({ url: proxy.url }, () => `Clients call ${proxy.url}${path}; Ctrl-C stops it.`)
    const { guardLine } = await import('../guard-line.ts')
    printer.say(guardLine(guard))
    if (!io.signal.aborted) await once(io.signal, 'abort')
    await proxy.close(settings.drainTimeoutMs)
    return 0
  },
}
