import { once } from 'node:events'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { createMcpFace, createQueryService } from '@muniment/query'
import type { CliCommand } from '../command.ts'
import { openKeysOf, openStoreOf } from '../context.ts'
import { openEngineOf } from '../engine.ts'
import { textOption } from '../options.ts'
import { unrecorded } from '../reads.ts'
import { verifyArchiveOf } from '../verify-archive.ts'
import { programVersion } from '../version.ts'

/** Lets an MCP client ask the archive. */
export const mcpCommand: CliCommand = {
  name: 'mcp',
  summary: 'Serve the archive to an MCP client on standard input and output',
  help: 'Tools: query_events, query_sql, show_event, list_alerts, verify, prove. They read only, give at most 200 rows at a time, and mark what they give as the words of others, which a model must not obey. Every call is an event of the archive. Over HTTP, with credentials, the same is at /mcp of `muniment run query`.',
  examples: [
    ['muniment mcp', 'the command to put into the configuration of an MCP client'],
    ['muniment mcp --tenant acme', 'the records of one tenant alone'],
  ],
  configure: command => {
    command.option('--tenant <name>', 'only this tenant; its key alone is used')
  },
  run: async call => {
    const config = await call.config()
    const tenant = textOption(call.options, 'tenant')
    await using open = await openEngineOf(config, {
      withTail: true,
      keepsSpareProcess: true,
      onUnrecorded: unrecorded(call.printer),
      limits: { maxRows: 1000 },
    })
    await using context = await openKeysOf(config)
    const service = createQueryService({
      engine: open.engine,
      store: await openStoreOf(config),
      verify: async signal => await verifyArchiveOf(config, { keys: context.keys, signal }),
      now: Date.now,
    })
    const caller = tenant === undefined ? {} : { tenants: [tenant] }
    const handle = serveStdio(() => createMcpFace({ service, caller, version: programVersion }))
    call.printer.say('Serving the archive on standard input and output; Ctrl-C ends it.')
    const { signal, stdin } = call.io
    const ended = once(stdin, 'end', { signal }).catch(() => undefined)
    await ended
    await handle.close()
    return 0
  },
}
