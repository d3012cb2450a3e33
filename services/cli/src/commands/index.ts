import type { CliCommand } from '../command.ts'
import { alertsCommand } from './alerts.ts'
import { benchCommand } from './bench.ts'
import { blockCommand, decisionsCommand, unblockCommand } from './block.ts'
import { completionCommand } from './completion.ts'
import { doctorCommand } from './doctor.ts'
import { dlqCommand } from './dlq.ts'
import { eraseCommand } from './erase.ts'
import { holdCommand } from './hold.ts'
import { installCommand } from './install.ts'
import { interceptorsCommand } from './interceptors.ts'
import { keysCommand } from './keys.ts'
import { maskCommand } from './mask.ts'
import { mcpCommand } from './mcp.ts'
import { policyCommand } from './policy.ts'
import { proveCommand } from './prove.ts'
import { proxyCommand } from './proxy.ts'
import { piiCommand } from './pii.ts'
import { queryCommand } from './query.ts'
import { rulesCommand } from './rules.ts'
import { runCommand } from './run.ts'
import { showCommand } from './show.ts'
import { tailCommand } from './tail.ts'
import { upCommand } from './up.ts'
import { verifyCommand } from './verify.ts'
import { witnessCommand } from './witness.ts'
import { wrapCommand } from './wrap.ts'

const everyday: readonly CliCommand[] = [
  upCommand,
  wrapCommand,
  installCommand,
  proxyCommand,
  interceptorsCommand,
  tailCommand,
  queryCommand,
  showCommand,
  mcpCommand,
  alertsCommand,
  blockCommand,
  unblockCommand,
  decisionsCommand,
  rulesCommand,
  policyCommand,
  verifyCommand,
  proveCommand,
  maskCommand,
  piiCommand,
  keysCommand,
  eraseCommand,
  holdCommand,
  dlqCommand,
  doctorCommand,
  runCommand,
  witnessCommand,
  benchCommand,
]

/** Every command, in the order of the help. */
export const commands: readonly CliCommand[] = [...everyday, completionCommand(() => commands)]
