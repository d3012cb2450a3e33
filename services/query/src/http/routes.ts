import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { AppError } from '@muniment/schema'
import { mediaTypes, writeAnswer } from '../formats/answer.ts'
import { answerSchema, recordSchema, verdictSchema } from '../service/answers.ts'
import { filtersSchema, idSchema, questionSchema, readInput, type Question } from '../service/questions.ts'
import type { Caller, QueryService, Scope } from '../service/service.ts'
import { readBody, sendJson } from './respond.ts'

/** One request that is let in. */
interface Asked {
  readonly service: QueryService
  readonly caller: Caller
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly id: string
  readonly params: URLSearchParams
  readonly signal: AbortSignal
}

/** One operation: what the document says of it and what answers it. */
export interface Route {
  readonly method: 'get' | 'post'
  /** As in OpenAPI; `{id}` is one segment. */
  readonly path: string
  readonly name: string
  readonly summary: string
  readonly scope: Scope
  readonly query?: z.ZodObject
  readonly body?: z.ZodType
  readonly answer: z.ZodType | 'text'
  /** Media types beside the answer's own. */
  readonly streams?: readonly string[]
  readonly run: (asked: Asked) => Promise<void>
}

async function answer({ service, caller, response, signal }: Asked, question: Question): Promise<void> {
  await using result = await service.query(caller, question, signal)
  const pieces = writeAnswer(result, question.format)
  const first = await pieces.next()
  response.writeHead(200, { 'content-type': mediaTypes[question.format] })
  async function* all(): AsyncGenerator<string | Uint8Array> {
    if (first.done !== true) yield first.value
    yield* pieces
  }
  await pipeline(Readable.from(all()), response)
}

const alertsQuery = z.strictObject({
  since: filtersSchema.shape.since,
  until: filtersSchema.shape.until,
  principal: filtersSchema.shape.principal,
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

const proofQuery = z.strictObject({
  disclose: z
    .enum(['true', 'false'])
    .default('false')
    .describe('Whether the record itself stands in the proof'),
})

function paramsOf<T>(schema: z.ZodType<T>, params: URLSearchParams): T {
  if (new Set(params.keys()).size < params.size)
    throw new AppError('INVALID_INPUT', 'A parameter is given twice.')
  return readInput(schema, Object.fromEntries(params))
}

async function show({ service, caller, id, signal, response }: Asked): Promise<void> {
  const { topic, tenant, raw, evidence } = await service.show(caller, readInput(idSchema, id), signal)
  const text = raw.toString()
  sendJson(response, 200, { topic, tenant, record: JSON.parse(text), raw: text, evidence: evidence ?? null })
}

async function prove({ service, caller, id, signal, params, response }: Asked): Promise<void> {
  const { disclose } = paramsOf(proofQuery, params)
  const wanted = { id: readInput(idSchema, id), isDisclosed: disclose === 'true', signal }
  const proof = await service.prove(caller, wanted)
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(proof)
}

/** Every operation of the API. */
export const routes: readonly Route[] = [
  {
    method: 'post',
    path: '/v1/query',
    name: 'query',
    summary: 'Ask with SQL or filters; rows stream as they come. An answer that fails on its way is cut off.',
    scope: 'audit:read',
    body: questionSchema,
    answer: answerSchema,
    streams: [...new Set(Object.values(mediaTypes))].filter(type => type !== mediaTypes.json),
    run: async asked =>
      await answer(asked, readInput(questionSchema, JSON.parse(await readBody(asked.request)))),
  },
  {
    method: 'get',
    path: '/v1/events/{id}',
    name: 'showEvent',
    summary: 'One event or alert, exact, with where it stands in the archive',
    scope: 'audit:read',
    answer: recordSchema,
    run: show,
  },
  {
    method: 'get',
    path: '/v1/events/{id}/proof',
    name: 'proveEvent',
    summary: 'A C2SP tlog-proof that anybody can check offline; it names the other tenants of the same cut',
    scope: 'audit:prove',
    query: proofQuery,
    answer: 'text',
    run: prove,
  },
  {
    method: 'get',
    path: '/v1/alerts',
    name: 'listAlerts',
    summary: 'The newest alerts',
    scope: 'audit:read',
    query: alertsQuery,
    answer: answerSchema,
    run: async asked => {
      const { limit, ...rest } = paramsOf(alertsQuery, asked.params)
      const filters = { ...rest, view: 'alerts' } as const
      await answer(asked, { filters, limit, tail: true, format: 'json' })
    },
  },
  {
    method: 'post',
    path: '/v1/verify',
    name: 'verify',
    summary: 'Check the whole archive: nothing altered, nothing missing. Reads all of it.',
    scope: 'audit:verify',
    answer: verdictSchema,
    run: async ({ service, caller, response }) => sendJson(response, 200, await service.verify(caller)),
  },
]

/** A route and the id in its path. */
export interface Matched {
  readonly route: Route
  readonly id: string
}

/** The route of a request. Throws `NOT_FOUND`. */
export function routeOf(method: string, path: string): Matched {
  const wanted = path.split('/')
  for (const route of routes) {
    const parts = route.path.split('/')
    const isSame =
      route.method === method.toLowerCase() &&
      parts.length === wanted.length &&
      parts.every((part, at) => part === '{id}' || part === wanted[at])
    if (isSame) return { route, id: decodeURIComponent(wanted[parts.indexOf('{id}')] ?? '') }
  }
  throw new AppError('NOT_FOUND', `There is no ${method.slice(0, 10)} ${path.slice(0, 100)}.`, {
    hint: 'GET /v1/openapi.json tells what there is.',
  })
}
