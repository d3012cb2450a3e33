import { execFile } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openLab, story } from '../../services/interceptor/test/support.ts'
import { inherited } from '../lanes/environment.ts'
import { describeLanes } from '../lanes/lanes.ts'
import { nodePrograms } from '../lanes/nodes.ts'
import { openApp } from './app.ts'

// The packed interceptor on each line of Node, loaded as either kind of module: every way of observing records its one call.

const run = promisify(execFile)
const smoke = fileURLToPath(new URL('smoke', import.meta.url))
const oldestOfProgram = 24
const inProcess = ['attach-v1', 'tap-v1', 'wrap-v1', 'attach-v2', 'tap-v2', 'wrap-v2']
const overHttp = ['listener', 'express', 'fetch', 'proxy']

let app = ''
beforeAll(() => {
  app = openApp()
  cpSync(smoke, app, { recursive: true })
}, 120_000)
afterAll(() => rmSync(app, { recursive: true, force: true, maxRetries: 10 }))

function isOldForProgram(version: string): boolean {
  return Number.parseInt(version, 10) < oldestOfProgram
}

function muniment(): string {
  return join(app, 'node_modules', '@muniment', 'cli', 'bin', 'muniment.mjs')
}

describeLanes(['nodes'], 'the packed interceptor', () => {
  const nodes = nodePrograms()

  describe.each(nodes)('on Node %s', (_, node) => {
    test.each(['doors.mjs', 'doors.cjs'])(
      'loaded by %s, observes in process, under wrap, at HTTP edges and in the proxy',
      async doors => {
        await using lab = await openLab()
        const { stdout, stderr } = await run(node, [join(app, doors), lab.home, lab.ingestKey], { cwd: app })
        expect(stdout).toBe([...inProcess, ...overHttp, '500'].join(' '))
        expect(stderr).toBe('')
        const stories = (await lab.collect()).map(story).filter(line => line.includes('tools/call'))
        const begun = overHttp.map(tool => `begun tools/call ${tool}`)
        expect(stories.filter(line => line.startsWith('begun')).toSorted()).toEqual(begun.toSorted())
        const ended = stories.filter(line => !line.startsWith('begun'))
        const answered = inProcess.map(tool => `call tools/call ${tool} ok`)
        // What an echo sends back is no answer.
        const echoed = overHttp.map(tool => `unanswered tools/call ${tool} unanswered stream_ended`)
        expect(ended.toSorted()).toEqual([...answered, ...echoed].toSorted())
      },
      60_000,
    )
  })

  test.each(nodes.filter(([version]) => !isOldForProgram(version)))(
    'muniment wrap observes a call on Node %s',
    async (_, node) => {
      await using lab = await openLab()
      const server = [node, join(app, 'server.mjs'), 'v1', 'by-command']
      const args = [muniment(), 'wrap', '--server-name', 'smoke', '--', ...server]
      const client = new Client({ name: 'smoke', version: '1' })
      const env = { MUNIMENT_HOME: lab.home }
      await client.connect(new StdioClientTransport({ command: node, args, env, stderr: 'ignore' }))
      await client.callTool({ name: 'by-command' })
      await client.close()
      expect((await lab.collect()).map(story)).toContain('call tools/call by-command ok')
    },
    60_000,
  )

  test.each(nodes.filter(([version]) => isOldForProgram(version)))(
    'muniment says on Node %s that it needs a newer one, and exits with 2',
    async (version, node) => {
      const command = [muniment(), 'wrap', '--', node, join(app, 'server.mjs'), 'v1', 'never']
      const ended = run(node, command, { cwd: app, env: inherited() })
      const stderr = `muniment: needs Node.js ${oldestOfProgram} or newer, this is ${version}: https://nodejs.org\n`
      await expect(ended).rejects.toMatchObject({ code: 2, stdout: '', stderr })
    },
  )
})
