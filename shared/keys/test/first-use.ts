// A process that needs every key of a new home; prints what it got.
import { randomBytes } from 'node:crypto'
import { openState } from '@muniment/state'
import { openKeys, openSecrets } from '../src/index.ts'

const [home = ''] = process.argv.slice(2)
await using state = await openState({ kind: 'file', dir: `${home}/state` })
await using secrets = await openSecrets({ kind: 'file', dir: `${home}/secrets` })
const keys = openKeys({ secrets, state, now: Date.now, randomBytes, cacheTtlMs: 60_000, logName: 'test/log' })
const { generation } = await keys.segmentKeys.createDataKey('acme', 'x')
const got = {
  ingest: await keys.ingestPublicKey(),
  masking: (await keys.maskingKeys()).generation,
  log: await keys.logVerifierKeys(),
  control: await keys.controlPublicKeys(),
  tenant: generation,
}
process.stdout.write(`${JSON.stringify(got)}\n`)
