// Guards for servers under the official suite: all parts at work, and nothing for them to refuse; and one policy more.
import type { AuthOutcome, Authenticator } from '@muniment/auth'
import { inspectArgument } from '@muniment/detector'
import {
  authenticate,
  authorise,
  enforceDecisions,
  limit,
  maskBeforeModel,
  reduceErrors,
  validate,
  type GuardPart,
} from '@muniment/interceptor/guard'

const plenty = { amount: 1e6, windowMs: 60_000 }
const suite: AuthOutcome = { principal: { id: 'suite', method: 'api_key' }, reason: 'known' }
/** The suite shows no credentials. */
const everybody: Authenticator = {
  check: () => suite,
  spends: () => [],
  stepUp: () => ({ code: 'ACCESS_DENIED', status: 403, headers: {} }),
  document: () => undefined,
}

const doors = limit({ door: [{ per: 'address', ...plenty }] })

/** What stands at the door of an HTTP edge. */
export const atDoor: readonly GuardPart[] = [doors, authenticate(everybody)]

/** What judges messages, with the Cedar policies of a file. */
export function beforeServer(policies: string): readonly GuardPart[] {
  return [
    limit({
      door: [],
      rules: [{ per: ['principal', 'tool'], ...plenty }],
      concurrent: [{ per: 'principal', most: 1000 }],
    }),
    enforceDecisions(),
    authorise({ policies: { files: [policies] } }),
    maskBeforeModel(),
    validate({ inspect: inspectArgument, sanitise: { tools: ['test_simple_text'], html: true } }),
    reduceErrors({ toolErrors: 'keep' }),
  ]
}
