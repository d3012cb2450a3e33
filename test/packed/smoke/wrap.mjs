import { wrapStdio } from '@muniment/interceptor/stdio'

const [, , home, ingestKey, command, ...args] = process.argv
process.exitCode = await wrapStdio({ home, ingestKey, bus: 'embedded:', command, args })
