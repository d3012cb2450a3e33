import type { KeyObject } from 'node:crypto'
import type { Bus } from '@muniment/bus'
import type { Logger, Task } from '@muniment/runtime'
import type { StateStore } from '@muniment/state'
import { createBehaviourStage, type SnapshotPolicy } from './behaviour-stage.ts'
import { createContentStage } from './content-stage.ts'
import { createToolLabels, type ToolLabels } from './flow/labels.ts'
import { loadRules, type RulePack } from './sigma/pack.ts'

/** What a detector is made of. */
export interface DetectorOptions {
  readonly bus: Bus
  readonly state: StateStore
  /** The key under which matched text of a tenant is hashed, so that equal evidence can be told without being kept. */
  readonly evidenceKey: (tenant: string) => Promise<KeyObject>
  readonly log: Logger
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Rules in force, asked before each batch; default the shipped pack. */
  readonly rules?: () => RulePack
  /** Rules in force, where they do not change. */
  readonly pack?: RulePack
  /** What tools do to a flow of data; default as their names tell. */
  readonly labels?: ToolLabels
  /** Default every 20,000 records or 10 s. */
  readonly snapshot?: SnapshotPolicy
  /** Told how many records were put aside, once they are dead letters. */
  readonly onDeadLetters?: (count: number) => void
}

/** The two stages; each may run alone in a process of its own. */
export interface Detector {
  /** `mcp.events` → `mcp.signals`. */
  readonly content: Task
  /** `mcp.signals` → `mcp.alerts`. */
  readonly behaviour: Task
}

function constant(pack: RulePack): () => RulePack {
  return () => pack
}

/** Watches the stream: masked events become signals, signals become alerts. Throws `CONFIG_INVALID` if a shipped rule cannot be trusted. */
export function createDetector(options: DetectorOptions): Detector {
  const { bus, state, evidenceKey, log, now, onDeadLetters } = options
  const rules = options.rules ?? constant(options.pack ?? loadRules())
  const labels = options.labels ?? createToolLabels({})
  const snapshot = options.snapshot ?? { everyRecords: 20_000, everyMs: 10_000 }
  return {
    content: createContentStage({ bus, rules, labels, evidenceKey, log, onDeadLetters }),
    behaviour: createBehaviourStage({ bus, state, rules, log, now, snapshot, onDeadLetters }),
  }
}
