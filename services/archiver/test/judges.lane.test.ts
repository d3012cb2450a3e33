import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { createCosigner, parsePolicy, verifyArchive } from '@muniment/archive'
import { createLogger } from '@muniment/runtime'
import { openState } from '@muniment/state'
import { afterEach, beforeEach, expect, test } from 'vitest'
// @boundaries-ignore the lanes of the tests serve every package
import { judgeProgram } from '../../../test/lanes/judges.ts'
// @boundaries-ignore the lanes of the tests serve every package
import { describeLanes } from '../../../test/lanes/lanes.ts'
// @boundaries-ignore the lanes of the tests serve every package
import { freePort } from '../../../test/lanes/ports.ts'
import { createNotary, createWitness, createWitnessServer, createWitnesses } from '../src/index.ts'
import { archiveEvents, createWorld, runUntil } from './world.ts'

const run = promisify(execFile)
const log = createLogger({ name: 'test', level: 'silent' })
const emptyRoot = '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='

async function printed(child: ChildProcess, pattern: RegExp): Promise<string> {
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const found = pattern.exec(text)?.[0]
      if (found !== undefined) child.emit('found', found)
    })
  const [found] = await Promise.race([once(child, 'found'), once(child, 'exit').then(() => [undefined])])
  if (typeof found !== 'string') throw new Error(`ended before it said ${String(pattern)}: ${text}`)
  return found
}

describeLanes(['judges'], 'foreign witnesses and logs', () => {
  let folder = ''
  const children: ChildProcess[] = []
  const stops: AbortController[] = []
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muniment-witness-'))
  })
  afterEach(async () => {
    for (const stop of stops.splice(0)) stop.abort()
    for (const child of children.splice(0)) {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  })

  function launch(command: string, args: readonly string[]): ChildProcess {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    return child
  }

  /** Their witness, which holds its key in an ssh-agent and knows a log from its database. */
  async function startLitewitness(logKey: string): Promise<{ readonly vkey: string; readonly url: string }> {
    const [socket, pem, db] = [join(folder, 'agent'), join(folder, 'key'), join(folder, 'db')]
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', pem])
    await printed(launch('ssh-agent', ['-D', '-a', socket]), /SSH_AUTH_SOCK/u)
    const env = { PATH: '/usr/bin:/bin', SSH_AUTH_SOCK: socket }
    await run('ssh-add', ['-q', pem], { env })
    const { stdout } = await run('ssh-add', ['-l'], { env })
    const fingerprint = /SHA256:\S+/u.exec(stdout)?.[0] ?? ''
    const address = `127.0.0.1:${await freePort()}`
    const server = launch(judgeProgram('litewitness'), [
      '-db',
      db,
      '-name',
      'witness.test/lite',
      '-key',
      fingerprint,
      '-ssh-agent',
      socket,
      '-listen',
      address,
    ])
    const vkey = await printed(server, /witness\.test\/lite\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{40,}/u)
    const database = new DatabaseSync(db, { timeout: 5000 })
    const [origin = ''] = logKey.split('+')
    database.prepare('INSERT INTO log(origin, tree_size, tree_hash) VALUES (?, 0, ?)').run(origin, emptyRoot)
    database.prepare('INSERT INTO key(origin, key) VALUES (?, ?)').run(origin, logKey)
    database.close()
    return { vkey, url: `http://${address}` }
  }

  test('litewitness cosigns our checkpoints as the log grows, and torchwood accepts them under the policy', async () => {
    await using world = await createWorld()
    const { vkey } = await world.keys.logSigner()
    const theirs = await startLitewitness(vkey)
    const text = `log ${vkey}\nwitness lite ${theirs.vkey} ${theirs.url}\nquorum lite\n`
    const witnesses = createWitnesses({ policy: parsePolicy(text), log, timeoutMs: 20_000 })
    const [policy, checkpoint] = [join(folder, 'policy'), join(folder, 'checkpoint')]
    await writeFile(policy, text)
    for (const start of [0, 3, 6]) {
      await archiveEvents(world, [start, start + 1, start + 2])
      const before = (await world.store.checkpoint.read())?.bytes.toString().split('\n')[1]
      await runUntil(createNotary({ ...world, intervalMs: 5, witnesses }), async () => {
        const note = (await world.store.checkpoint.read())?.bytes.toString() ?? ''
        return note.split('\n')[1] !== before && witnesses.isWitnessed(note)
      })
      await writeFile(checkpoint, (await world.store.checkpoint.read())?.bytes ?? '')
      const { stdout } = await run(judgeProgram('judges'), ['checkpoint', policy, checkpoint])
      expect(stdout).toContain('"signatures":2')
    }
    const report = await verifyArchive({ store: world.store, policy: text })
    expect(report.problems).toEqual([])
    expect(report.anchored?.witnessed?.treeSize).toBe(report.anchored?.treeSize)
  })

  test('Tessera gets its log cosigned by our witness, from the empty log on', async () => {
    // A private key in the form of Go's note package, made of a JWK.
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
    const secret = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32)
    const name = 'tessera.test/log'
    const typed = Buffer.concat([Uint8Array.of(1), raw])
    const id = createHash('sha256').update(`${name}\n`).update(typed).digest().subarray(0, 4).toString('hex')
    const signerKey = `PRIVATE+KEY+${name}+${id}+${Buffer.concat([Uint8Array.of(1), secret]).toString('base64')}`
    const logKey = `${name}+${id}+${typed.toString('base64')}`
    const cosigner = createCosigner('witness.test/ours', generateKeyPairSync('ed25519').privateKey)
    const witness = createWitness({
      cosigner,
      logs: [logKey],
      state: await openState({ kind: 'memory' }),
      nowMs: Date.now,
    })
    const stop = new AbortController()
    stops.push(stop)
    const { promise: ready, resolve: onReady } = Promise.withResolvers<string>()
    const serving = createWitnessServer({ witness, log, host: '127.0.0.1', port: 0, onReady }).run(
      stop.signal,
    )
    const url = await ready
    const [policy, keyFile, storage] = [join(folder, 'policy'), join(folder, 'log.key'), join(folder, 'log')]
    await writeFile(policy, `witness ours ${cosigner.vkey} ${url}/\nquorum ours\n`)
    await writeFile(keyFile, signerKey)
    const sizes: string[] = []
    for (const round of [0, 1, 2]) {
      const names = Array.from({ length: 5 }, (_, at) => join(folder, `entry-${round}-${at}`))
      await Promise.all(names.map(async file => writeFile(file, file)))
      await run(judgeProgram('posix-oneshot'), [
        '--storage_dir',
        storage,
        '--entries',
        join(folder, `entry-${round}-*`),
        '--private_key',
        keyFile,
        '--witness_policy_file',
        policy,
      ])
      const note = await readFile(join(storage, 'checkpoint'), 'utf8')
      expect(note).toContain('\u2014 witness.test/ours ')
      sizes.push(note.split('\n')[1] ?? '')
    }
    expect(sizes).toEqual(['5', '10', '15'])
    stop.abort()
    await serving
  }, 120_000)
})
