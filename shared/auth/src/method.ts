// What a way to authenticate is to the authenticator that asks it.

/** Who called, as verified. */
export interface Principal {
  readonly id: string
  readonly client_id?: string
  readonly issuer?: string
  readonly scopes?: readonly string[]
  /** How it was verified: `api_key`, `oauth`, `mtls`, `session`. */
  readonly method: string
}

/** The head of an HTTP request; nothing of its body. */
export interface AuthRequest {
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** A header field by its lower-case name. */
  readonly header: (name: string) => string | undefined
  /** Where it comes from; a proxy's word only where the proxy is trusted. */
  readonly address?: string | undefined
  /** The certificate (DER) with which the client made the TLS connection; its key is proven then, and nothing else. */
  readonly certificate?: Uint8Array | undefined
}

/** A credential that holds. */
export interface Accepted {
  readonly kind: 'accepted'
  readonly principal: Principal
  /** Whose events the caller belongs to, where the credential says so. */
  readonly tenant?: string
  readonly expiresAtMs?: number
}

/** A credential that does not hold, and the word for it that goes into the record and not to the caller. */
export interface Rejected {
  readonly kind: 'rejected'
  readonly reason: string
  /** Another way of the same kind may know this credential: it names an issuer that is not this one's. */
  readonly isForeign?: true
  /** It was real once: no guess, so it does not count against its source. */
  readonly isGenuine?: true
}

/** A credential that holds but does not reach far enough. */
export interface Insufficient {
  readonly kind: 'insufficient'
  readonly principal: Principal
  readonly scopes: readonly string[]
}

/** Nobody can tell now, because something that must be asked does not answer. */
interface Unavailable {
  readonly kind: 'unavailable'
  readonly reason: string
}

/** What one way has found out; `undefined` = the request carries no credential of this kind. */
export type Finding = Accepted | Rejected | Insufficient | Unavailable | undefined

/** One way to authenticate. */
export interface Method {
  readonly name: string
  /** What was verified before and still holds: no work, no waiting. */
  readonly recall?: (request: AuthRequest) => Accepted | undefined
  /** Verifies; never throws, and waits only where something must be asked. */
  readonly check: (request: AuthRequest) => Finding | Promise<Finding>
  /** Header fields, in lower case, that hold a credential for this way: it ends here and is nobody else's. */
  readonly spends?: (request: AuthRequest) => readonly string[]
  /** Fields of a `Bearer` challenge, where this way has something to say to who has no credential. */
  readonly challenge?: (request: AuthRequest) => Readonly<Record<string, string>>
  /** A document that this way serves to everybody, by its path. */
  readonly document?: (path: string) => object | undefined
}

export function rejected(reason: string): Rejected {
  return { kind: 'rejected', reason }
}

/** Rejects what was real once: expired, revoked, or for somewhere else. */
export function outdated(reason: string): Rejected {
  return { kind: 'rejected', reason, isGenuine: true }
}
