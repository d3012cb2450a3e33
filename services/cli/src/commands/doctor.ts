import { access, constants, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { checkFolder, checkWorm, openArchive, type WormFinding } from '@muniment/archive'
import { listSections, listSettings, type Config, type SettingInfo } from '@muniment/runtime'
import { isAppError, topic } from '@muniment/schema'
import { checkBus } from '../check-bus.ts'
import type { Call, CliCommand } from '../command.ts'
import { openKeysOf, openStoreOf, s3ConfigOf } from '../context.ts'
import { flag } from '../options.ts'
import { safe } from '../print.ts'
import { checkProduction } from '../production/check.ts'
import { verdicts, type Finding as ProductionFinding } from '../production/finding.ts'
import { factsOf } from '../production/require.ts'

/** What one check found. */
interface Finding {
  readonly check: string
  readonly isFine: boolean
  readonly message: string
  readonly hint?: string
  readonly isUnreachable?: boolean
}

type Check = (config: Config, call: Call) => Promise<string>

async function homeCheck({ home }: Config): Promise<string> {
  await access(home, constants.R_OK | constants.W_OK)
  return `${home} can be written`
}

async function spoolCheck({ home }: Config): Promise<string> {
  const lanes = await readdir(join(home, 'spool')).catch(() => [])
  return lanes.length === 0
    ? 'nothing waits in the spool'
    : `${lanes.length} lanes wait in the spool until muniment up collects them`
}

async function keysCheck(config: Config): Promise<string> {
  await using context = await openKeysOf(config)
  await context.keys.require(['root', 'masking', 'ingest', 'log', 'control'])
  return `all five secrets are there; interceptors seal to ${(await context.keys.ingestPublicKey()).split('.')[0] ?? ''}`
}

async function storeCheck(config: Config): Promise<string> {
  const store = await openStoreOf(config)
  await using context = await openKeysOf(config)
  const archive = openArchive({ store, keys: context.keys.segmentKeys })
  let manifests = 0
  for await (const _ of archive.manifests(topic.events)) manifests += 1
  return `the store answers; it has ${manifests} manifests of ${topic.events}`
}

const checks: Readonly<Record<string, Check>> = {
  home: homeCheck,
  spool: spoolCheck,
  secrets: keysCheck,
  bus: checkBus,
  store: storeCheck,
}

async function runCheck(check: string, run: Check, call: Call): Promise<Finding> {
  try {
    return { check, isFine: true, message: await run(await call.config(), call) }
  } catch (error) {
    const message = error instanceof Error ? error.message : 'unknown failure'
    if (!isAppError(error)) return { check, isFine: false, message }
    return {
      check,
      isFine: false,
      message,
      hint: error.hint,
      isUnreachable: error.code === 'DEPENDENCY_UNREACHABLE',
    }
  }
}

function shownValue(value: string | undefined, { isSecret, default: fallback }: SettingInfo): string {
  if (value === undefined) return fallback ?? 'not set'
  return isSecret ? 'set' : value
}

function printSettings({ printer, io }: Call): void {
  for (const setting of listSettings()) {
    const { name, env, doc } = setting
    const value = shownValue(io.env[env], setting)
    const facts = { setting: name, env, value, isDefault: io.env[env] === undefined, doc }
    printer.answer(facts, () => `${env.padEnd(36)} ${safe(value).padEnd(24)} ${doc}`)
  }
  for (const { name, doc } of listSections())
    printer.answer({ section: name, doc }, () => `${`${name}: in muniment.yaml`.padEnd(61)} ${doc}`)
}

function printFinding({ printer }: Call, finding: Finding): void {
  const { style } = printer
  const mark = finding.isFine ? style('green', '✔') : style('red', '✘')
  const hint = finding.hint === undefined ? '' : `\n    → ${safe(finding.hint)}`
  printer.answer(finding, () => `${mark} ${finding.check.padEnd(8)} ${safe(finding.message)}${hint}`)
}

function printWorm({ printer }: Call, finding: WormFinding): void {
  const { id, promise, isFine, isMust, note } = finding
  const failed = isMust ? printer.style('red', '✘') : printer.style('yellow', '!')
  const mark = isFine ? printer.style('green', '✔') : failed
  const why = note === undefined ? '' : `\n    → ${safe(note)}`
  printer.answer(finding, () => `${mark} ${id}  ${promise}${why}`)
}

/** Tries what a folder keeps; whatever that is, its owner and root can undo it. */
async function testFolder(call: Call, directory: string): Promise<number> {
  for (const finding of await checkFolder(directory)) printWorm(call, finding)
  call.printer.say(
    'The archive is a folder: its owner and root can remove files, and lift the immutable flag; only the log and its witnesses show it.',
  )
  call.printer.say('Nothing here holds against them: for that, use a bucket with Object Lock.')
  return 1
}

/** Tries to break the rules of the archive's store. */
async function testWorm(call: Call): Promise<number> {
  const config = await call.config()
  if (config.store.kind === 'file') return await testFolder(call, config.store.dir)
  const bucket = s3ConfigOf(config)
  if (bucket === undefined) throw new TypeError('neither a folder nor a bucket')
  const { findings, cleanUp } = await checkWorm(bucket, id => call.printer.progress(`Trying ${id} …`))
  call.printer.progress('Waiting for locks to end, to leave nothing …')
  const cleaning = cleanUp()
  // The waiting itself does not keep the process.
  const alive = setInterval(() => undefined, 1000)
  await cleaning.finally(() => clearInterval(alive))
  call.printer.progress('')
  for (const finding of findings) printWorm(call, finding)
  const failed = findings.filter(({ isFine, isMust }) => isMust && !isFine)
  call.printer.say(
    failed.length === 0
      ? `All ${findings.length} checks hold: what is archived here stays.`
      : `${failed.length} of ${findings.length} checks fail: this store cannot hold evidence.`,
  )
  return failed.length === 0 ? 0 : 1
}

const colours = { fine: 'green', should: 'yellow', must: 'red' } as const
const marks = { fine: '✔', should: '!', must: '✘' } as const

function printProduction({ printer }: Call, finding: ProductionFinding): void {
  const { check, level, message, hint } = finding
  const next = hint === undefined ? '' : `\n    → ${safe(hint)}`
  printer.answer(
    finding,
    () => `${printer.style(colours[level], marks[level])} ${check} ${safe(message)}${next}`,
  )
}

/** A configuration that cannot be read is a finding, so that the others are told too. */
async function readOrTell(call: Call): Promise<Config | ProductionFinding> {
  try {
    return await call.config()
  } catch (error) {
    if (!isAppError(error, 'CONFIG_INVALID')) throw error
    return verdicts('settings').must(`cannot be used: ${error.message}`, error.hint)
  }
}

/** Says what keeps this set-up from being one for production. */
async function testProduction(call: Call): Promise<number> {
  const read = await readOrTell(call)
  const isReadable = !('level' in read)
  const found = checkProduction(factsOf(isReadable ? read : undefined, call, 'all'))
  const findings = isReadable ? found : [read, ...found]
  for (const finding of findings) printProduction(call, finding)
  const musts = findings.filter(({ level }) => level === 'must').length
  call.printer.say(
    musts === 0
      ? 'Nothing here keeps this from production.'
      : `${musts} of ${findings.length} findings must be mended before this is production.`,
  )
  return musts === 0 ? 0 : 1
}

/** Lists the settings and tests what they point at. */
export const doctorCommand: CliCommand = {
  name: 'doctor',
  summary: 'Test what the settings point at, and list them',
  help: `--production changes nothing and shows no value. With MUNIMENT_ENV=production \`run\`, \`up\` and \`proxy\` make the same check and do not start where
something must be mended. MCP_AUTH_SECRET, MCP_LOG_LEVEL and MCP_LOG_FILE belong to the MCP server that is started from this environment.`,
  examples: [
    ['muniment doctor', 'folder, spool, secrets, bus and store'],
    ['muniment doctor --production', 'what keeps these settings, files and variables from production'],
    ['muniment doctor --worm', 'prove that the store keeps what it is given, by attacking it'],
    ['muniment doctor --settings', 'every setting with its value and meaning'],
  ],
  configure: command => {
    command
      .option('--settings', 'list every setting, and test nothing')
      .option(
        '--production',
        'check secrets, certificates, files and defaults; exit 1 on what must be mended',
      )
      .option('--worm', 'try to break the rules of the store: needs about half a minute, and leaves nothing')
  },
  run: async call => {
    if (flag(call.options, 'settings')) {
      printSettings(call)
      return 0
    }
    if (flag(call.options, 'production')) return await testProduction(call)
    if (flag(call.options, 'worm')) return await testWorm(call)
    await call.config()
    const findings: Finding[] = []
    for (const [name, check] of Object.entries(checks)) {
      call.printer.progress(`Testing ${name} …`)
      findings.push(await runCheck(name, check, call))
    }
    call.printer.progress('')
    for (const finding of findings) printFinding(call, finding)
    if (findings.every(({ isFine }) => isFine)) return 0
    return findings.some(({ isUnreachable }) => isUnreachable === true) ? 3 : 1
  },
}
