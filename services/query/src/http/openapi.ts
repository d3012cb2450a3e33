import { z } from 'zod'
import { errorSchema } from '../service/answers.ts'
import { routes, type Route } from './routes.ts'

type Json = Readonly<Record<string, unknown>>

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' })
  return rest
}

function parametersOf({ path, query }: Route): readonly Json[] {
  const id = { name: 'id', in: 'path', required: true, schema: { type: 'string', maxLength: 200 } }
  const { properties = {} } = query === undefined ? {} : z.toJSONSchema(query, { io: 'input' })
  const rest = Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema,
  }))
  return path.includes('{id}') ? [id, ...rest] : rest
}

function contentOf({ answer, streams = [] }: Route): Json {
  if (answer === 'text') return { 'text/plain': { schema: { type: 'string' } } }
  const others = streams.map(type => [type.split(';', 1)[0] ?? type, {}] as const)
  return { ...Object.fromEntries(others), 'application/json': { schema: schemaOf(answer, 'output') } }
}

const refusals: Readonly<Record<string, string>> = {
  400: 'The request cannot be meant',
  401: 'The credential is missing or does not hold',
  403: 'The credential lacks the scope or names no tenant',
  404: 'There is nothing of that name that the caller may see',
  413: 'The request is too large',
  422: 'Answering needs more than it may have',
  429: 'Too many questions at once',
  500: 'Something broke here',
  503: 'Something that is needed cannot be reached',
}

function operationOf(route: Route): Json {
  const { name, summary, scope, body } = route
  const failures = Object.entries(refusals).map(([status, description]) => [
    status,
    { description, content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } },
  ])
  return {
    operationId: name,
    summary,
    security: [{ bearer: [scope] }, { key: [scope] }],
    parameters: parametersOf(route),
    ...(body && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: schemaOf(body, 'input') } },
      },
    }),
    responses: {
      200: { description: 'The answer', content: contentOf(route) },
      ...Object.fromEntries(failures),
    },
  }
}

/** The OpenAPI 3.1 document of the API, made of the schemas that requests are read with. */
export function openApiDocument(version: string): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const route of routes) (paths[route.path] ??= {})[route.method] = operationOf(route)
  return {
    openapi: '3.1.0',
    info: {
      title: 'Muniment query API',
      version,
      description:
        'Reads the archive of one tenant: the one that the credential belongs to. Every read is an event of the archive itself.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key (mun_…) or an OAuth access token',
        },
        key: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
      schemas: { Error: schemaOf(errorSchema, 'output') },
    },
  }
}
