import { once } from 'node:events'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import type { Call, CliCommand } from '../command.ts'
import { ensureIngestKey } from '../ingest-key.ts'
import { attachOptions } from '../interceptor-options.ts'
import { listenHttp } from '../interceptor-host/http.ts'
import type { Tools } from '../interceptor-host/invoke.ts'
import { createInterceptorHost } from '../interceptor-host/server.ts'
import { numberOption, textOption, wholeNumber } from '../options.ts'
import { openPiiMasker, piiRulesOf } from '../pii-rules.ts'
import { programVersion } from '../version.ts'

/** How long what was told may take to be saved at the end. */
const saveMs = 5000

async function serve({ io, printer }: Call, tools: Tools, port: number | undefined): Promise<void> {
  const build = (): ReturnType<typeof createInterceptorHost> => createInterceptorHost(tools, programVersion)
  const { signal, stdin } = io
  if (port === undefined) {
    const handle = serveStdio(build)
    printer.say('Serving interceptors on standard input and output; Ctrl-C ends it.')
    await once(stdin, 'end', { signal }).catch(() => undefined)
    await handle.close()
    return
  }
  await using listening = await listenHttp(build, port)
  printer.answer({ url: listening.url }, () => `Gateways call ${listening.url}; Ctrl-C stops it.`)
  if (!signal.aborted) await once(signal, 'abort')
}

/** Lends the masker and the auditor to gateways that speak SEP-2624. */
export const interceptorsCommand: CliCommand = {
  name: 'interceptors',
  summary: 'Lend masker and auditor to a gateway that invokes MCP interceptors (experimental)',
  help: 'An Interceptor Host in the shape of SEP-2624, which is a draft and may change under it: an MCP server with interceptors/list and interceptor/invoke. muniment-mask (mutation) replaces personal data by the policy of the section pii; muniment-audit (validation, audit) records what it is shown. It sees what the gateway shows it, so it is no substitute for attach, wrap or proxy.',
  examples: [
    ['muniment interceptors', 'the command that a gateway starts and speaks to over stdio'],
    ['muniment interceptors --port 8090', 'over HTTP, for programs of this machine'],
  ],
  configure: command => {
    command
      .option('--port <n>', 'serve http://127.0.0.1:<n>/mcp instead; 0 is any free port', wholeNumber)
      .option('--server-name <name>', 'name of what stands behind the gateway, in events')
  },
  run: async call => {
    const config = await call.config()
    await ensureIngestKey(config)
    const { openAuditor } = await import('@muniment/interceptor/auditor')
    const port = numberOption(call.options, 'port')
    const auditor = openAuditor(
      attachOptions(config, textOption(call.options, 'serverName')),
      port === undefined ? 'stdio' : 'http',
    )
    try {
      const masker = await openPiiMasker(piiRulesOf(config), call.config)
      await serve(call, { masker, auditor, nowMs: () => performance.now() }, port)
      return 0
    } finally {
      await auditor.close(saveMs)
    }
  },
}
