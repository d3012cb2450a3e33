import {
  createMasker,
  createRoundTrip,
  type Conversation,
  type Finding,
  type Masked,
  type Masker,
  type RoundTrip,
  type RoundTripOptions,
} from '@muniment/pii'
import { protocolPaths } from '@muniment/pii/mcp'
import { AppError } from '@muniment/schema'
import { isMembers, type Members } from '../../json.ts'
import { andThen, type Soon } from '../../soon.ts'
import { keepText, textOf } from '../../wire-text.ts'
import { maskBlobs } from './blobs.ts'
import { modelPolicies, type MaskPolicy } from './rules.ts'

/** Whose message it is and where it comes from. */
interface Place {
  /** Without one what is found is removed, for no token of it could be restored. */
  readonly conversation?: Conversation | undefined
  readonly server?: string | undefined
  readonly tool?: string | undefined
}

/** What was made of a message. */
export interface Changed {
  /** `undefined` where nothing had to be changed. */
  readonly message: Members | undefined
  /** What was found in it, without content. */
  readonly findings: readonly Finding[]
}

/** What was put back into a message. */
interface Returned {
  readonly message: Members | undefined
  readonly restored: number
  /** Tokens that nobody issued here, or not to this principal, or too long ago. */
  readonly unknown: number
}

/** Masks messages that go to a model, and restores in messages that come from it. Throws, or rejects, for what it cannot read whole. */
export interface Engine {
  readonly mask: (message: Members, place: Place) => Soon<Changed>
  readonly restore: (message: Members, conversation: Conversation) => Soon<Returned>
  /** The same for a text that mirrors a part of a message. */
  readonly restoreText: (text: string, conversation: Conversation) => Soon<string>
}

export interface EngineOptions extends Omit<RoundTripOptions, 'policy' | 'unrestored'> {
  readonly policy: MaskPolicy
  /** Longer messages are none that can be masked while others wait. */
  readonly maxCharacters: number
}

/** A tool's or prompt's name is nothing that a model was given a token for. */
const unrestored = [...protocolPaths, 'params.name', 'params.ref.name']

/** The text that a message is on the wire. */
function boundedText(message: Members, maxCharacters: number): string {
  const text: unknown = textOf(message)
  if (typeof text === 'string' && text.length <= maxCharacters) return text
  throw new AppError(
    'LIMIT_EXCEEDED',
    `A message of more than ${maxCharacters} characters cannot be masked.`,
    {
      hint: 'Let the server answer in smaller parts, or raise maxCharacters of maskBeforeModel().',
    },
  )
}

function parsed(text: string): Members {
  const value: unknown = JSON.parse(text)
  if (isMembers(value)) return keepText(value, text)
  throw new TypeError('What was an object is none any more.')
}

function isReplaced({ action }: Finding): boolean {
  return action !== 'keep'
}

type MaskText = (text: string, path: string) => Soon<Masked>

function maskerFor(trip: RoundTrip, anonymous: Masker, place: Place): MaskText {
  const { conversation, server, tool } = place
  const from = { ...(server !== undefined && { server }), ...(tool !== undefined && { tool }) }
  return (text, path) => {
    const options = { ...from, path, surface: 'model' } as const
    return conversation === undefined ? anonymous.mask(text, options) : trip.mask(text, conversation, options)
  }
}

function finish(text: string, before: string, findings: readonly Finding[]): Changed {
  return { message: text === before ? undefined : parsed(text), findings: findings.filter(isReplaced) }
}

/** Ways to spell a token otherwise than it was given. */
const spelled = /\\u|[%&\u0080-\uFFFF]/u
const plain = /:[a-z]{16,64}\]|masked\.invalid/u

/** Most requests hold no token: a look at the text tells. */
function mayHoldToken(text: string): boolean {
  return plain.test(text) || spelled.test(text)
}

const nothing: Returned = { message: undefined, restored: 0, unknown: 0 }

/** Throws a `RangeError` that names every issue of a policy that cannot be used. */
export function createEngine({ policy, maxCharacters, ...rest }: EngineOptions): Engine {
  const policies = modelPolicies(policy)
  const anonymous = createMasker(policies.anonymous)
  const trip = createRoundTrip({ ...rest, policy: policies.conversational, unrestored })

  return {
    mask: (message, place) => {
      const before = boundedText(message, maxCharacters)
      const mask = maskerFor(trip, anonymous, place)
      return andThen(
        maskBlobs(before, text => mask(text, 'blob')),
        ({ text, findings }) =>
          andThen(mask(text, ''), masked => finish(masked.text, before, [...findings, ...masked.findings])),
      )
    },
    restore: (message, conversation) => {
      const given = boundedText(message, maxCharacters)
      if (!mayHoldToken(given)) return nothing
      return andThen(trip.restore(given, conversation), ({ text, restored, unknown }) => ({
        message: restored === 0 ? undefined : parsed(text),
        restored,
        unknown,
      }))
    },
    restoreText: (text, conversation) => andThen(trip.restore(text, conversation), restored => restored.text),
  }
}
