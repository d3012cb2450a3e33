import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { AppError } from '@muniment/schema'
import { z } from 'zod'

/** What an authorization server gave, as the official clients hand it over; `issuer` is who gave it. */
export interface ClientTokens {
  readonly access_token: string
  readonly token_type: string
  readonly refresh_token?: string | undefined
  readonly expires_in?: number | undefined
  readonly scope?: string | undefined
  readonly issuer?: string | undefined
}

/** How an authorization server knows this client. */
export interface ClientInformation {
  readonly client_id: string
  readonly client_secret?: string | undefined
  readonly client_secret_expires_at?: number | undefined
  readonly redirect_uris?: string[] | undefined
  readonly issuer?: string | undefined
}

const text = z.string().max(65_536)

const recordSchema = z.strictObject({
  tokens: z
    .looseObject({
      access_token: text,
      token_type: text,
      refresh_token: text.optional(),
      expires_in: z.number().optional(),
      scope: text.optional(),
      issuer: text.optional(),
    })
    .optional(),
  expiresMs: z.number().optional(),
  client: z
    .looseObject({
      client_id: text,
      client_secret: text.optional(),
      client_secret_expires_at: z.number().optional(),
      redirect_uris: z.array(text).optional(),
      issuer: text.optional(),
    })
    .optional(),
  redirectPort: z.number().int().optional(),
})

/** What is kept for one server. */
export interface ClientRecord {
  readonly tokens?: ClientTokens | undefined
  readonly expiresMs?: number | undefined
  readonly client?: ClientInformation | undefined
  /** Where the registered client is sent back to. */
  readonly redirectPort?: number | undefined
}

const sealedSchema = z.strictObject({ v: z.literal(1), iv: z.base64url(), data: z.base64url() })
const [cipher, ivBytes, tagBytes] = ['aes-256-gcm', 12, 16] as const

/** The server is part of what is sealed: a file that was put in the place of another's does not open. */
function boundTo(server: string): Buffer {
  return Buffer.from(`muniment oauth client 1\n${server}`)
}

export function sealRecord(record: ClientRecord, key: Uint8Array, server: string): string {
  const iv = randomBytes(ivBytes)
  const sealing = createCipheriv(cipher, key, iv).setAAD(boundTo(server))
  const body = Buffer.concat([sealing.update(JSON.stringify(record), 'utf8'), sealing.final()])
  const data = Buffer.concat([body, sealing.getAuthTag()]).toString('base64url')
  return JSON.stringify({ v: 1, iv: iv.toString('base64url'), data })
}

function open(sealed: string, key: Uint8Array, server: string): ClientRecord {
  const { iv, data } = sealedSchema.parse(JSON.parse(sealed))
  const bytes = Buffer.from(data, 'base64url')
  const opening = createDecipheriv(cipher, key, Buffer.from(iv, 'base64url'), { authTagLength: tagBytes })
  opening.setAAD(boundTo(server)).setAuthTag(bytes.subarray(-tagBytes))
  const body = Buffer.concat([opening.update(bytes.subarray(0, -tagBytes)), opening.final()])
  return recordSchema.parse(JSON.parse(body.toString('utf8')))
}

/** Throws `SECRET_MALFORMED` where it was altered, belongs to another server, or was sealed with another key. */
export function openRecord(sealed: string, key: Uint8Array, server: string): ClientRecord {
  try {
    return open(sealed, key, server)
  } catch {
    throw new AppError('SECRET_MALFORMED', `What is kept of the sign-in at ${server} does not open.`, {
      hint: 'It was altered, or its key is another one. Remove the file, and sign in again.',
    })
  }
}
