import type { Conversation } from '@muniment/pii'

/** What a connection showed of itself. */
interface ChannelFacts {
  /** It began with `initialize`: the connection is one conversation, if its transport has no sessions. */
  readonly isInitialised: boolean
  /** One of its requests asked for masking: what belongs to none is masked too. */
  readonly isMaskedByHeader: boolean
  /** The one of all of its requests: what a server asks outside of a request belongs to it. */
  readonly conversation: Conversation | 'none' | 'several'
}

/** Remembers facts of connections; of very many, those of the ones used last. */
export interface Channels {
  readonly of: (channelId: string | undefined) => ChannelFacts
  readonly saw: (channelId: string | undefined, facts: ChannelFacts) => void
}

const maxChannels = 50_000
const unknown: ChannelFacts = { isInitialised: false, isMaskedByHeader: false, conversation: 'none' }

type Known = ChannelFacts['conversation']

function both(before: Known, after: Known): Known {
  if (before === 'none' || after === 'none') return before === 'none' ? after : before
  if (before === 'several' || after === 'several') return 'several'
  const isSame = before.principal === after.principal && before.conversation === after.conversation
  return isSame ? before : 'several'
}

function joined(before: ChannelFacts, after: ChannelFacts): ChannelFacts {
  return {
    isInitialised: before.isInitialised || after.isInitialised,
    isMaskedByHeader: before.isMaskedByHeader || after.isMaskedByHeader,
    conversation: both(before.conversation, after.conversation),
  }
}

export function createChannels(): Channels {
  const known = new Map<string, ChannelFacts>()
  const of: Channels['of'] = id => (id === undefined ? unknown : (known.get(id) ?? unknown))
  return {
    of,
    saw: (id, facts) => {
      if (id === undefined) return
      const before = known.get(id)
      known.delete(id)
      known.set(id, before === undefined ? facts : joined(before, facts))
      if (known.size > maxChannels) known.delete(known.keys().next().value ?? '')
    },
  }
}
