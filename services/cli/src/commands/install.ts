import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AppError } from '@muniment/schema'
import type { Call, CliCommand } from '../command.ts'
import { clients, type Client } from '../install/clients.ts'
import { argument, flag, textOption } from '../options.ts'

const bin = fileURLToPath(new URL('../../bin/muniment.mjs', import.meta.url))

function clientOf(name: string): Client {
  const client = Object.hasOwn(clients, name) ? clients[name] : undefined
  if (client) return client
  throw new AppError('INVALID_INPUT', `No client "${name}": ${Object.keys(clients).join(', ')}.`, {
    hint: 'Most clients read the same form: give its file with --file, and claude or cursor.',
  })
}

function fileOf({ files }: Client, { options, io }: Call): string {
  const given = textOption(options, 'file')
  if (given !== undefined) return resolve(given)
  const home = io.env['HOME'] ?? homedir()
  const known = files({ platform: process.platform, home, cwd: process.cwd(), env: io.env })
  const found = known.find(existsSync)
  if (found !== undefined) return found
  throw new AppError('CONFIG_INVALID', `There is no configuration at ${known.join(', nor at ')}.`, {
    hint: 'Name the file that your client reads with --file.',
  })
}

/** Clients start with another PATH, folder and environment than this terminal, so all is said in full. */
async function wrapperOf(call: Call, name: string): Promise<readonly string[]> {
  const { home } = await call.config()
  // As in the first line of the program: the young generation stays small.
  const node = [process.execPath, '--max-semi-space-size=16']
  return [...node, bin, 'wrap', '--home', resolve(home), '--server-name', name, '--']
}

/** Puts `muniment wrap` into the configuration of an MCP client, and takes it out again. */
export const installCommand: CliCommand = {
  name: 'install',
  summary: 'Let an MCP client start a server under muniment wrap',
  help: `Changes the command line of one server in the client's configuration, and nothing else there: comments and spaces stay. What it would write is shown first,
with only that command line and keys in it, since other values may be secrets; what was there is kept beside it. Without --file, the first that exists:

  claude  claude_desktop_config.json of Claude Desktop; .mcp.json of Claude Code here
  cursor  ~/.cursor/mcp.json; .cursor/mcp.json here
  vscode  .vscode/mcp.json here; mcp.json of the user

The paths of this Node and this program, and the folder MUNIMENT_HOME in force here, are written in full: clients start elsewhere and with another PATH. Where a
project's file is shared, others have other paths: there rather install each one's own. Other options of wrap may be put before the -- by hand; --undo takes all out.`,
  examples: [
    ['muniment install claude --server files', 'show the difference, ask, write'],
    ['muniment install cursor --server files --yes', 'without asking'],
    ['muniment install vscode --server files --dry-run', 'only show it'],
    ['muniment install claude --server files --undo', 'as before; what else changed since stays'],
    ['muniment install claude --file ~/.claude.json --server files', 'any file of the same form'],
  ],
  configure: command => {
    command
      .argument('<client>', Object.keys(clients).join(', '))
      .requiredOption('--server <name>', 'the server, as the configuration calls it')
      .option('--file <path>', 'the configuration to change')
      .option('--undo', 'let the client start the server itself again')
      .option('--dry-run', 'show the difference and write nothing')
      .option('--yes', 'write without asking')
  },
  run: async call => {
    const client = clientOf(argument(call.args, 0, 'client'))
    const name = textOption(call.options, 'server') ?? ''
    const wrapper = flag(call.options, 'undo') ? {} : { wrapper: await wrapperOf(call, name) }
    const { change } = await import('../install/change.ts')
    return change(call, fileOf(client, call), { key: client.key, name, ...wrapper })
  },
}
