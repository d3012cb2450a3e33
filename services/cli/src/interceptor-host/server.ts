import { Server } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { concerns, extensionName, interceptors, listed, phases } from './catalogue.ts'
import { invoke, type Tools } from './invoke.ts'

const text = z.string().max(1024)
const listParams = z.looseObject({ event: text.optional(), cursor: text.optional() })
const invokeParams = z.looseObject({
  name: text,
  event: text,
  phase: z.enum(phases),
  payload: z.unknown(),
  config: z.unknown().optional(),
  timeoutMs: z.number().nonnegative().optional(),
  context: z.looseObject({ principal: z.looseObject({ id: text.optional() }).optional() }).optional(),
})

/** An MCP server that hosts interceptors and nothing else. */
export function createInterceptorHost(tools: Tools, version: string): Server {
  const server = new Server(
    { name: 'muniment-interceptors', version },
    { capabilities: { extensions: { [extensionName]: {} } } },
  )
  server.setRequestHandler('interceptors/list', { params: listParams }, ({ event }) => ({
    interceptors: interceptors
      .filter(each => event === undefined || concerns(each, event))
      .map(each => listed(each, version)),
  }))
  server.setRequestHandler('interceptor/invoke', { params: invokeParams }, params => invoke(tools, params))
  return server
}
