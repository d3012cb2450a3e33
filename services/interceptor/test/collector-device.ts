// A process that records one act behind a collector: node collector-device.ts <home> <url> <ca file> [end]
import { readFileSync } from 'node:fs'
import { openHost } from '../src/host.ts'
import { readSettings } from '../src/main-env.ts'

const [home = '', bus = '', caFile = '', how = ''] = process.argv.slice(2)
const device = { name: 'laptop', key: 'key-of-laptop', ca: readFileSync(caFile, 'utf8') }
const { core } = openHost(readSettings({ home, bus, device, onProblem: () => undefined }, {}))
core.act({ method: 'before', outcome: 'ok', principal: { id: 'root', method: 'os' }, details: {} })
await core.flush()
process.stdout.write('recorded\n')
if (how !== 'end') setInterval(() => undefined, 1000)
