import type { Signal } from '@muniment/schema'
import type { Rule } from '../sigma/rule.ts'
import { bound, type PartitionState, type ServerState } from './state.ts'

const mostServers = 20_000
const mostTools = 2_000
const mostVersions = 8
/** Names come from servers and callers; what is kept of them is bounded. */
const longestName = 256
const longestKey = 512
const day = 86_400_000

/** What was noticed about a server's tools. */
export interface KnownNews {
  readonly behaviour: 'first_seen' | 'definition_changed'
  readonly tool: string
  readonly sentence: string
  readonly evidence: Readonly<Record<string, unknown>>
}

function serverOf(state: PartitionState, signal: Signal, timeMs: number): ServerState {
  const key = `${signal.tenant}\u{0}${signal.server ?? ''}`.slice(0, longestKey)
  const server = state.servers.get(key) ?? { sinceMs: timeMs, isListed: false, tools: new Map() }
  state.servers.delete(key)
  state.servers.set(key, server)
  bound(state, 'servers', mostServers)
  return server
}

function since(server: ServerState, timeMs: number): string {
  const days = Math.floor((timeMs - server.sinceMs) / day)
  return days < 1 ? 'known for less than a day' : `known for ${days} days`
}

function changed(signal: Signal, tool: string, versions: readonly string[]): KnownNews {
  const newest = versions[versions.length - 1] ?? ''
  const isBack = versions.slice(0, -1).includes(newest)
  return {
    behaviour: 'definition_changed',
    tool,
    sentence: `${signal.server ?? ''}: the definition of tool ${tool} changed${isBack ? ' back to an earlier one' : ''}`,
    evidence: { tool, from: versions[versions.length - 2], to: newest, versions: versions.length },
  }
}

function firstSeen(signal: Signal, server: ServerState, tool: string): KnownNews {
  const how = signal.definitions === undefined ? 'was called' : 'is offered'
  const sentence = `${signal.server ?? ''}: tool ${tool} ${how} for the first time (server ${since(server, Date.parse(signal.time))}, ${server.tools.size} tools)`
  return { behaviour: 'first_seen', tool, sentence, evidence: { tool, known_tools: server.tools.size } }
}

function remember(server: ServerState, tool: string, versions: readonly string[]): void {
  if (server.tools.size < mostTools || server.tools.has(tool))
    server.tools.set(tool, versions.slice(-mostVersions))
}

function onList(server: ServerState, signal: Signal, isLearning: boolean): readonly KnownNews[] {
  const news: KnownNews[] = []
  for (const [tool, hash] of Object.entries(signal.definitions ?? {})) {
    const versions = server.tools.get(tool)
    if (versions === undefined && server.isListed && !isLearning) news.push(firstSeen(signal, server, tool))
    const newest = versions?.[versions.length - 1]
    if (newest === hash) continue
    const next = [...(versions ?? []), hash]
    remember(server, tool, next)
    if (newest !== undefined) news.push(changed(signal, tool, next))
  }
  server.isListed = true
  return news
}

/** Keeps the set of tools of each server; tells of tools never seen before once the server is learnt or has listed its tools, and of changed definitions. */
export function observeServer(state: PartitionState, rule: Rule, signal: Signal): readonly KnownNews[] {
  const timeMs = Date.parse(signal.time)
  const { learning = day } = rule.settings
  const server = serverOf(state, signal, timeMs)
  const isLearning = timeMs - server.sinceMs < learning
  if (signal.definitions !== undefined) return onList(server, signal, isLearning)
  const tool = signal.target?.slice(0, longestName)
  if (signal.method !== 'tools/call' || tool === undefined || server.tools.has(tool)) return []
  const isNews = !isLearning || server.isListed
  const news = isNews ? [firstSeen(signal, server, tool)] : []
  remember(server, tool, [])
  return news
}
