const { wrapStdio } = require('@muniment/interceptor/stdio')

const [, , home, ingestKey, command, ...args] = process.argv
async function main() {
  process.exitCode = await wrapStdio({ home, ingestKey, bus: 'embedded:', command, args })
}
void main()
