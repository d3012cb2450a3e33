import type { Config } from '@muniment/runtime'
import { AppError } from '@muniment/schema'
import type { Call } from '../command.ts'
import { safe } from '../print.ts'
import { checkProduction } from './check.ts'
import type { Facts, Starting } from './finding.ts'

/** What the checks look at, of this process. */
export function factsOf(config: Config | undefined, { io }: Pick<Call, 'io'>, starting: Starting): Facts {
  // Reading the mask alone means setting it; there is no other way.
  const umask = process.umask(0o077)
  process.umask(umask)
  return { env: io.env, config, starting, nowMs: Date.now(), umask, uid: process.getuid?.() }
}

/**
 * In an environment that was declared `production`, throws `CONFIG_INVALID` for what must be mended before a process starts, and says
 * what should be; elsewhere does nothing.
 */
export function requireProduction(
  config: Config,
  call: Pick<Call, 'io' | 'printer'>,
  starting: Starting,
): void {
  if (config.environment !== 'production') return
  const findings = checkProduction(factsOf(config, call, starting))
  for (const { check, level, message } of findings)
    if (level === 'should') call.printer.say(`${check} ${safe(message)}`)
  const musts = findings.filter(({ level }) => level === 'must')
  if (musts.length === 0) return
  const told = musts.map(({ check, message }) => `${check} ${message}`).join(' ')
  throw new AppError('CONFIG_INVALID', `MUNIMENT_ENV is production, and that is no set-up for it: ${told}`, {
    hint: '`muniment doctor --production` says what to do about each.',
  })
}
