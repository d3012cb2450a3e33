import {
  StreamableHTTPClientTransport as HttpClientV2,
  SSEClientTransport as SseClientV2,
} from '@modelcontextprotocol/client'
import { StdioClientTransport as StdioClientV2 } from '@modelcontextprotocol/client/stdio'
import { NodeStreamableHTTPServerTransport as NodeServerV2 } from '@modelcontextprotocol/node'
import { SSEClientTransport as SseClientV1 } from '@modelcontextprotocol/sdk/client/sse.js'
import { StdioClientTransport as StdioClientV1 } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as HttpClientV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { InMemoryTransport as MemoryV1 } from '@modelcontextprotocol/sdk/inMemory.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { StdioServerTransport as StdioServerV1 } from '@modelcontextprotocol/sdk/server/stdio.js'
import { StreamableHTTPServerTransport as HttpServerV1 } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import {
  InMemoryTransport as MemoryV2,
  PerRequestHTTPServerTransport,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
import { StdioServerTransport as StdioServerV2 } from '@modelcontextprotocol/server/stdio'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { transportOf } from '../src/attach/transport.ts'

const url = new URL('http://127.0.0.1/')
const stateless = { sessionIdGenerator: undefined }

test.each([
  ['in_memory', 'v1', () => new MemoryV1()],
  ['in_memory', 'v2', () => new MemoryV2()],
  ['stdio', 'v1 server', () => new StdioServerV1()],
  ['stdio', 'v2 server', () => new StdioServerV2()],
  ['stdio', 'v1 client', () => new StdioClientV1({ command: 'x' })],
  ['stdio', 'v2 client', () => new StdioClientV2({ command: 'x' })],
  [
    'sse',
    'v1 server',
    () => new SSEServerTransport('/', new ServerResponse(new IncomingMessage(new Socket()))),
  ],
  ['sse', 'v1 client', () => new SseClientV1(url)],
  ['sse', 'v2 client', () => new SseClientV2(url)],
  ['http', 'v1 server', () => new HttpServerV1({})],
  ['http', 'v2 server on Node', () => new NodeServerV2(stateless)],
  ['http', 'v2 server on fetch', () => new WebStandardStreamableHTTPServerTransport(stateless)],
  ['http', 'v2 request', () => new PerRequestHTTPServerTransport({ classification: { era: 'modern' } })],
  ['http', 'v1 client', () => new HttpClientV1(url)],
  ['http', 'v2 client', () => new HttpClientV2(url)],
])('a transport is known to be %s: %s', (kind, _which, make) => {
  expect(transportOf(make())).toBe(kind)
})
