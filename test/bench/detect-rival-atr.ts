/** Answers each line, an event of the labelled set, with what the rules of `agent-threat-rules` find: `node detect-rival-atr.ts FOLDER LANE`. */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import type { ContentEvent } from '@muniment/detector'

interface Match {
  readonly confidence: number
  readonly rule: { readonly id: string }
}

interface Engine {
  readonly loadRules: () => Promise<number>
  readonly evaluate: (event: unknown) => readonly Match[]
}

interface Package {
  readonly ATREngine: new (options: { readonly lane: string }) => Engine
}

/** How its adapters name what they pass on: the kind of event, and the field that rules look at. */
const shapes: Readonly<Record<string, readonly [type: string, field: string]>> = {
  tool_args: ['tool_call', 'tool_args'],
  tool_description: ['mcp_exchange', 'tool_description'],
  tool_result: ['tool_response', 'tool_response'],
  prompt: ['llm_input', 'user_input'],
}

function eventOf({ kind, text = '', tool = '', arguments: args }: ContentEvent): unknown {
  const [type, field] = shapes[kind] ?? ['tool_response', 'tool_response']
  const content = kind === 'tool_args' && args !== undefined ? JSON.stringify(args) : text
  const fields = { [field]: content, ...(tool !== '' && { tool_name: tool }) }
  return { type, timestamp: '2026-11-30T00:00:00Z', content, fields }
}

const [dir = '.', lane = 'hunt'] = process.argv.slice(2)
const entry = pathToFileURL(join(dir, 'node_modules/agent-threat-rules/dist/index.js'))
const { ATREngine }: Package = await import(entry.href)
const engine = new ATREngine({ lane })
await engine.loadRules()
process.stdout.write('{}\n')

for await (const line of createInterface({ input: process.stdin })) {
  const event = eventOf(JSON.parse(line))
  const before = process.cpuUsage()
  const matches = engine.evaluate(event)
  const { user, system } = process.cpuUsage(before)
  const rules = matches.map(({ rule }) => rule.id)
  const score = Math.max(0, ...matches.map(({ confidence }) => Math.max(0.5, confidence)))
  process.stdout.write(`${JSON.stringify({ score, rules, cpuMs: (user + system) / 1000 })}\n`)
}
