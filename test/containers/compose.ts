// The part of the Compose specification that docker-compose.yml uses, strictly: an unknown key is a typing error.
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'

const duration = z.string().regex(/^\d+(?:ms|s|m)$/u)
const words = z.array(z.string().min(1))

const healthcheck = z.union([
  z.strictObject({ disable: z.literal(true) }),
  z.strictObject({
    test: words,
    interval: duration.optional(),
    timeout: duration.optional(),
    start_period: duration.optional(),
    retries: z.int().positive().optional(),
  }),
])

const network = z.strictObject({ aliases: words.optional() })

const serviceSchema = z.strictObject({
  image: z.string().regex(/^[a-z0-9./-]+:[\w.-]+$/u),
  build: z
    .strictObject({ context: z.string(), dockerfile: z.string().optional(), target: z.string().optional() })
    .optional(),
  user: z.string().optional(),
  init: z.boolean().optional(),
  entrypoint: words.optional(),
  command: words.optional(),
  environment: z.record(z.string(), z.string()).optional(),
  depends_on: z
    .record(
      z.string(),
      z.strictObject({ condition: z.enum(['service_healthy', 'service_completed_successfully']) }),
    )
    .optional(),
  networks: z.union([words, z.record(z.string(), network)]),
  ports: words.optional(),
  volumes: words.optional(),
  tmpfs: words.optional(),
  shm_size: z
    .string()
    .regex(/^\d+m$/u)
    .optional(),
  secrets: words.optional(),
  restart: z.enum(['no', 'unless-stopped']),
  stop_grace_period: duration.optional(),
  healthcheck: healthcheck.optional(),
  read_only: z.literal(true),
  cap_drop: z.tuple([z.literal('ALL')]),
  security_opt: z.tuple([z.literal('no-new-privileges:true')]),
  pids_limit: z.int().positive(),
})

const composeSchema = z.object({
  name: z.string(),
  services: z.record(z.string(), serviceSchema),
  networks: z.record(z.string(), z.strictObject({})),
  volumes: z.record(z.string(), z.strictObject({})),
  secrets: z.record(z.string(), z.strictObject({ file: z.string() })),
})

/** One service of the compose file. */
export type Service = z.infer<typeof serviceSchema>

/** Reads and checks a compose file. */
export function readCompose(file: string): z.infer<typeof composeSchema> {
  return composeSchema.parse(parse(readFileSync(file, 'utf8'), { merge: true }))
}
