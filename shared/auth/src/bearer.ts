import type { AuthRequest } from './method.ts'

// RFC 6750 §2.1: b64token.
const form = /^bearer +([A-Za-z0-9\-._~+/]+=*) *$/iu
const maxTokenLength = 16_384

/** The token of the `Authorization` field; `undefined` where there is none, or none of sober length. Tokens in a query or a body do not count. */
export function bearerToken({ header }: AuthRequest): string | undefined {
  const field = header('authorization')
  if (field === undefined || field.length > maxTokenLength) return undefined
  return form.exec(field)?.[1]
}
