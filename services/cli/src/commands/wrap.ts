import { AppError } from '@muniment/schema'
import type { CliCommand } from '../command.ts'
import { readCliConfig } from '../config.ts'
import { guardOf } from '../guard-of.ts'
import { ensureIngestKey } from '../ingest-key.ts'
import { attachOptions } from '../interceptor-options.ts'
import { flag, repeated, textOption, textOptions } from '../options.ts'
import { safe } from '../print.ts'
import { allowedEnvironment, wrongKeys } from '../upstream-keys.ts'

/** Runs a stdio MCP server and observes it. */
export const wrapCommand: CliCommand = {
  name: 'wrap',
  summary: 'Run a stdio MCP server and record its calls',
  help: `The server sees the same bytes, signals and environment as without, and standard output stays its own. Records wait, sealed, under MUNIMENT_HOME until
\`muniment up\` collects them, or go to Kafka where MUNIMENT_BUS says so. MASK_PII_BEFORE_LLM=true masks
personal data before the model reads it. In a client's configuration:

  { "command": "npx", "args": ["muniment", "wrap", "--server-name", "files", "--", "npx", "@modelcontextprotocol/server-filesystem", "/srv/docs"] }`,
  examples: [
    ['muniment wrap -- node server.js', 'any command that speaks MCP over standard input and output'],
    [
      'muniment wrap --server-name files -- npx @modelcontextprotocol/server-filesystem /srv',
      'under a name of its own',
    ],
    [
      "muniment wrap --fail-closed 'delete_*,send_mail' -- node server.js",
      'these tools run only once the call is recorded; else they are refused',
    ],
    [
      'muniment wrap --env-allow GITHUB_TOKEN --authorise rules.yaml -- npx github-server',
      'with one variable of this environment, for what rules allow',
    ],
  ],
  configure: command => {
    command
      .argument('<command>', 'the server')
      .argument('[args...]', 'its arguments')
      .option('--server-name <name>', 'how the server is called in events; default what it calls itself')
      .option(
        '--home <folder>',
        'what MUNIMENT_HOME says, for clients that start servers in folders of their own',
      )
      .option('--enforce', 'refuse what `muniment block` and rules decided; see muniment block --help')
      .option(
        '--fail-closed <patterns>',
        'what the server may see only once it is recorded: *, delete_*, resources/read, separated by commas',
      )
      .option(
        '--authorise <file>',
        'let callers use and see only what these rules allow; see muniment policy --help',
      )
      .option(
        '--env-allow <name>',
        'pass on this variable, or NAME*, and else only what programs need to start; may be given several times',
        repeated,
      )
      .passThroughOptions()
  },
  run: async ({ args, options, config, io, printer }) => {
    const [command, ...rest] = args
    if (command === undefined) throw new AppError('INVALID_INPUT', 'Say which server to run, after --.')
    const home = textOption(options, 'home')
    const settings = home === undefined ? await config() : readCliConfig({ ...io.env, MUNIMENT_HOME: home })
    const names = textOptions(options, 'envAllow')
    const env = names.length === 0 ? io.env : allowedEnvironment(io.env, names)
    for (const { variable, problem } of wrongKeys(env)) printer.say(`muniment: ${safe(variable)} ${problem}.`)
    await ensureIngestKey(settings)
    const { wrapStdio } = await import('@muniment/interceptor/stdio')
    const authorise = textOption(options, 'authorise')
    const guard = await guardOf(settings, { enforce: flag(options, 'enforce'), authorise })
    const attach = attachOptions(settings, textOption(options, 'serverName'))
    const patterns = textOption(options, 'failClosed')?.split(',')
    const delivery = patterns && { delivery: { ...settings.interceptor.delivery, failClosed: patterns } }
    return wrapStdio({
      command,
      args: rest,
      ...(names.length > 0 && { env }),
      ...attach,
      ...delivery,
      ...guard,
    })
  },
}
