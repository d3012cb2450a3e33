import type { Subject, TokenVault } from '@muniment/keys'

/** A value that has no token here yet, and whose it is. */
interface Wanted extends Subject {
  readonly tenant: string
}

/** Tokens of the vault for a mask, which cannot wait: what is not known yet is asked for afterwards, and the text masked again. */
export interface VaultedTokens {
  /** The token, or nothing where it must be learned first. */
  readonly token: (kind: string, value: string, tenant: string) => string
  /** How often a token was asked for that was not known: a text between two equal counts has all of its tokens. */
  readonly lacked: () => number
  /** Learns what was not known; everything that was asked for before is durable when it resolves. */
  readonly settle: () => Promise<void>
}

/** How long a token may be used without looking whether its row is still there. */
export interface VaultedOptions {
  readonly now: () => number
  readonly cacheTtlMs: number
}

const maxKept = 50_000
/** Values beyond it, at once, lose their token: nobody fills the vault with one message. */
const maxMissing = 1000

interface Kept {
  readonly token: string
  readonly staleMs: number
}

function nameOf({ tenant, kind, value }: Wanted): string {
  return JSON.stringify([tenant, kind, value])
}

/** Remembers tokens of a vault for the time that other keys are remembered, so that an erased person's is forgotten as soon. */
export function createVaultedTokens(vault: TokenVault, { now, cacheTtlMs }: VaultedOptions): VaultedTokens {
  const kept = new Map<string, Kept>()
  const missing = new Map<string, Wanted>()
  let lackedCount = 0
  // One after another: who waits for the last has also waited for those before.
  let learning: Promise<void> = Promise.resolve()

  function keep(wanted: Wanted, token: string): void {
    if (kept.size >= maxKept) kept.clear()
    kept.set(nameOf(wanted), { token, staleMs: now() + cacheTtlMs })
    missing.delete(nameOf(wanted))
  }

  async function learn(): Promise<void> {
    for (const [tenant, subjects] of Map.groupBy([...missing.values()], each => each.tenant)) {
      const tokens = await vault.tokens(tenant, subjects)
      for (const [at, subject] of subjects.entries()) keep(subject, tokens[at] ?? '')
    }
  }

  return {
    token(kind, value, tenant) {
      const wanted = { tenant, kind, value }
      const found = kept.get(nameOf(wanted))
      if (found !== undefined && now() < found.staleMs) return found.token
      lackedCount += 1
      if (missing.size < maxMissing) missing.set(nameOf(wanted), wanted)
      return ''
    },
    lacked: () => lackedCount,
    async settle() {
      const turn = learning.then(learn)
      learning = turn.catch(() => undefined)
      await turn
    },
  }
}
