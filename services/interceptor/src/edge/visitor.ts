import type { HttpExchange } from '../http/exchange.ts'
import type { Claimant, RecordedFirst } from '../http/scope.ts'
import type { PolicyNote, Principal } from '../record.ts'

/** An HTTP exchange at an edge, and who was verified at its door. */
export interface Visitor extends Claimant {
  readonly exchange: HttpExchange
  principal: Principal | undefined
  notes: readonly PolicyNote[] | undefined
  recorded: RecordedFirst | undefined
}

/** Whoever comes with an exchange, of whom nothing is known yet. */
export function visitorOf(exchange: HttpExchange): Visitor {
  return { exchange, claim: exchange.claim, principal: undefined, notes: undefined, recorded: undefined }
}
