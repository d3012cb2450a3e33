import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { checkSignatures, createCosigner, parseCheckpoint, parsePolicy } from '@muniment/archive'
import { openKeys, openSecrets, type Keys } from '@muniment/keys'
import { createLogger } from '@muniment/runtime'
import { openState, type StateStore } from '@muniment/state'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  createNotary,
  createWitness,
  createWitnessServer,
  createWitnesses,
  type UnwitnessedSpan,
  type Witness,
} from '../src/index.ts'
import { archiveEvents, createWorld, runUntil } from './world.ts'

const log = createLogger({ name: 'test', level: 'silent' })
const logName = 'test.example/log'
const nowMs = (): number => 1_790_000_000_000

function sha256(...parts: readonly (string | Uint8Array)[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

const leafOf = (text: string): Buffer => sha256(Uint8Array.of(0), text)
const nodeOf = (left: Buffer, right: Buffer): Buffer => sha256(Uint8Array.of(1), left, right)
const [a, b, c] = [leafOf('a'), leafOf('b'), leafOf('c')]
/** A log of a, b, c by hand: RFC 6962 §2.1.3 has the same shape. */
const roots = [sha256(), a, nodeOf(a, b), nodeOf(nodeOf(a, b), c)]
const forkRoot = nodeOf(nodeOf(a, b), b)
const proofs: Readonly<Record<string, readonly Buffer[]>> = { '1-2': [b], '2-3': [c], '1-3': [b, c] }

async function openTestKeys(): Promise<Keys> {
  const [secrets, state] = [await openSecrets({ kind: 'memory' }), await openState({ kind: 'memory' })]
  return openKeys({ secrets, state, now: Date.now, randomBytes, cacheTtlMs: 60_000, logName })
}

interface Setup {
  readonly keys: Keys
  readonly state: StateStore
  readonly witness: Witness
  readonly note: (size: number, root?: Buffer) => Promise<string>
  readonly cosignerKey: string
}

async function setUp(state?: StateStore): Promise<Setup> {
  const keys = await openTestKeys()
  const signer = await keys.logSigner()
  const used = state ?? (await openState({ kind: 'memory' }))
  const cosigner = createCosigner('witness.test/w1', generateKeyPairSync('ed25519').privateKey)
  const note = (size: number, root = roots[size] ?? forkRoot): Promise<string> => {
    const text = `${signer.name}\n${size}\n${root.toString('base64')}\n`
    const line = Buffer.concat([signer.keyId, signer.sign(Buffer.from(text))]).toString('base64')
    return Promise.resolve(`${text}\n\u2014 ${signer.name} ${line}\n`)
  }
  const witness = createWitness({ cosigner, logs: [signer.vkey], state: used, nowMs })
  return { keys, state: used, witness, note, cosignerKey: cosigner.vkey }
}

function body(old: number | string, proof: readonly Buffer[], note: string): Buffer {
  return Buffer.from([`old ${old}`, ...proof.map(hash => hash.toString('base64')), '', note].join('\n'))
}

describe('a witness', () => {
  let setup: Setup
  beforeEach(async () => {
    setup = await setUp()
  })

  /** Takes the witness up to a size. */
  async function seen(size: number): Promise<void> {
    const { witness, note } = setup
    expect((await witness.addCheckpoint(body(0, [], await note(size)))).status).toBe(200)
  }

  test('cosigns what extends what it has seen, an empty log included', async () => {
    const { witness, note, cosignerKey } = setup
    const policy = parsePolicy(`witness w1 ${cosignerKey}\nquorum w1`)
    for (const [old, size, proof] of [
      [0, 0, []],
      [0, 1, []],
      [1, 3, proofs['1-3'] ?? []],
      [3, 3, []],
    ] as const) {
      const text = await note(size)
      const { status, body: line } = await witness.addCheckpoint(body(old, proof, text))
      expect({ old, size, status }).toEqual({ old, size, status: 200 })
      const checkpoint = parseCheckpoint(Buffer.from(text + line))
      expect(checkpoint && checkSignatures(checkpoint, { verifiers: [], policy }).cosignatures).toEqual([
        { name: 'witness.test/w1', time: 1_790_000_000 },
      ])
    }
  })

  test.each([
    ['an old size that it has not seen', 1, 3, [b, c], undefined, 409, '2\n'],
    ['a log that was cut back', 1, 1, [], undefined, 409, '2\n'],
    ['another log of the same size', 2, 2, [], forkRoot, 409, '2\n'],
    ['an old size above the new one', 3, 2, [], undefined, 400, undefined],
    ['a fork', 2, 3, [c], forkRoot, 422, undefined],
    ['a proof of another step', 2, 3, [b, c], undefined, 422, undefined],
    ['no proof', 2, 3, [], undefined, 422, undefined],
    ['a proof where none is needed', 2, 2, [a], undefined, 422, undefined],
  ] as const)('refuses %s', async (...row) => {
    const [, old, size, proof, root, status, answer] = row
    const { witness, note } = setup
    await seen(2)
    const given = await witness.addCheckpoint(body(old, proof, await note(size, root)))
    expect(given.status).toBe(status)
    if (answer !== undefined) expect(given).toEqual({ status, type: 'text/x.tlog.size', body: answer })
    // And has learnt nothing from it.
    expect((await witness.addCheckpoint(body(2, [c], await note(3)))).status).toBe(200)
  })

  test('refuses a proof from nothing, which proves nothing', async () => {
    const { witness, note } = setup
    expect((await witness.addCheckpoint(body(0, [a], await note(2)))).status).toBe(422)
  })

  test('knows logs by name and by key', async () => {
    const { witness, note } = setup
    const other = await setUp()
    const foreign = (await note(1)).replaceAll(logName, 'other.example/log')
    expect((await witness.addCheckpoint(body(0, [], foreign))).status).toBe(404)
    expect((await witness.addCheckpoint(body(0, [], await other.note(1)))).status).toBe(403)
  })

  test.each([
    ['a zero before the old size', (text: string) => text.replace('old 0', 'old 00')],
    ['a sign before the old size', (text: string) => text.replace('old 0', 'old +0')],
    ['Windows line ends', (text: string) => text.replaceAll('\n', '\r\n')],
    ['no empty line', (text: string) => text.replace('\n\n', '\n')],
    ['no final newline', (text: string) => text.slice(0, -1)],
    ['a hash of 31 bytes', (text: string) => text.replace('\n\n', `\n${'A'.repeat(41)}=\n\n`)],
    ['64 hashes', (text: string) => text.replace('\n\n', `\n${`${a.toString('base64')}\n`.repeat(64)}\n`)],
    ['nothing', () => ''],
  ])('cannot read %s', async (_, spoil) => {
    const { witness, note } = setup
    const request = body(0, [], await note(1)).toString()
    expect((await witness.addCheckpoint(Buffer.from(spoil(request)))).status).toBe(400)
  })

  test('lets one of many requests at once win, and tells the others its size', async () => {
    const { witness, note } = setup
    const requests = [1, 2, 3, 1, 2, 3].map(async size =>
      witness.addCheckpoint(body(0, [], await note(size))),
    )
    const answers = await Promise.all(requests)
    const won = answers.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    expect(new Set(answers.filter(each => each !== won[0]).map(({ status }) => status))).toEqual(
      new Set([409]),
    )
  })

  test('remembers over a restart, and signs nothing that it could not record', async () => {
    const { state, note, keys } = setup
    await seen(2)
    const [cosigner, logs] = [
      createCosigner('witness.test/w1', generateKeyPairSync('ed25519').privateKey),
      [...(await keys.logVerifierKeys())],
    ]
    const again = createWitness({ cosigner, logs, state, nowMs })
    expect((await again.addCheckpoint(body(0, [], await note(3)))).body).toBe('2\n')
    const full = { ...state, put: () => Promise.reject(new Error('disk full')) }
    const failing = createWitness({ cosigner, logs, state: full, nowMs })
    await expect(failing.addCheckpoint(body(2, [c], await note(3)))).rejects.toThrow('disk full')
  })

  test('does not go on where its record cannot be read', async () => {
    const { state, witness, note } = setup
    await seen(1)
    const key = `witness/${sha256(logName).toString('hex')}`
    await state.put(key, Buffer.from('scribble'), (await state.get(key))?.version)
    await expect(witness.addCheckpoint(body(1, [b], await note(2)))).rejects.toMatchObject({
      code: 'ARCHIVE_DAMAGED',
    })
  })

  test('shows the newest checkpoint that it cosigned', async () => {
    const { witness, note } = setup
    await seen(2)
    const shown = await witness.newest(sha256(logName).toString('hex'))
    expect(shown?.split('\n').slice(0, 2)).toEqual([logName, '2'])
    expect(shown).toContain('witness.test/w1')
    expect(await witness.newest(sha256('x').toString('hex'))).toBeUndefined()
    expect(await note(2)).toContain(shown?.split('\n\n')[0])
  })
})

function keyOf(name: string): string {
  return createCosigner(name, generateKeyPairSync('ed25519').privateKey).vkey
}

describe('witness policies', () => {
  const [w1, w2, w3] = ['w.test/1', 'w.test/2', 'w.test/3'].map(keyOf)
  const lines = `witness a ${w1} https://one.test/\nwitness b ${w2}\nwitness c ${w3} # the third\n`

  test.each([
    ['quorum none', [], true],
    ['quorum a', ['w.test/2'], false],
    ['quorum a', ['w.test/1'], true],
    ['group g any a b\nquorum g', ['w.test/2'], true],
    ['group g all a b\nquorum g', ['w.test/2'], false],
    ['group g 2 a b c\nquorum g', ['w.test/1', 'w.test/3'], true],
    ['group g 2 a b c\nquorum g', ['w.test/1', 'stranger'], false],
    ['group g any a b\ngroup h all g c\nquorum h', ['w.test/1'], false],
    ['group g any a b\ngroup h all g c\nquorum h', ['w.test/1', 'w.test/3'], true],
  ] as const)('%j with cosignatures of %j: %s', (rest, names, isMet) => {
    expect(parsePolicy(lines + rest).isMetBy(new Set(names))).toBe(isMet)
  })

  test.each([
    [lines, 'none sets a quorum'],
    [`${lines}quorum x`, 'Line 4 of the witness policy names x'],
    [`${lines}group g 4 a b c\nquorum g`, 'more members than it names'],
    [`${lines}group g 0 a\nquorum g`, 'more members than it names'],
    [`${lines}group g any a a\nquorum g`, 'names a member twice'],
    [`${lines}witness d ${w1}\nquorum d`, 'would count twice'],
    [`${lines}witness a ${keyOf('w.test/4')}\nquorum a`, 'uses the name a again'],
    [`${lines}quorum a\nquorum b`, 'second quorum'],
    ['witness a nonsense\nquorum a', 'not a verifier key of a witness'],
    [`witness a ${w1} ftp://x\nquorum a`, 'no http or https address'],
    ['__proto__ x\nquorum none', 'begins with __proto__'],
  ])('%j is refused', (text, why) => {
    expect(() => parsePolicy(text)).toThrow(why)
  })
})

describe('a notary with witnesses', () => {
  const servers: AbortController[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.abort()
  })

  async function serve(vkey: string, name: string): Promise<{ line: string; state: StateStore }> {
    const state = await openState({ kind: 'memory' })
    const cosigner = createCosigner(name, generateKeyPairSync('ed25519').privateKey)
    const witness = createWitness({ cosigner, logs: [vkey], state, nowMs: Date.now })
    const stop = new AbortController()
    servers.push(stop)
    const url = await new Promise<string>(onReady => {
      void createWitnessServer({ witness, log, host: '127.0.0.1', port: 0, onReady }).run(stop.signal)
    })
    return { line: `witness ${name.replace('/', '-')} ${cosigner.vkey} ${url}`, state }
  }

  test('publishes its checkpoints with the cosignatures that the policy asks for', async () => {
    await using world = await createWorld()
    const { vkey } = await world.keys.logSigner()
    const [w1, w2] = [await serve(vkey, 'w.test/1'), await serve(vkey, 'w.test/2')]
    const gone = `witness gone ${createCosigner('w.test/3', generateKeyPairSync('ed25519').privateKey).vkey} http://127.0.0.1:1`
    const text = `log ${vkey}\n${w1.line}\n${w2.line}\n${gone}\ngroup g 2 w.test-1 w.test-2 gone\nquorum g\n`
    const policy = parsePolicy(text)
    const witnesses = createWitnesses({ policy, log, timeoutMs: 10_000 })
    const isWitnessed = async (): Promise<boolean> => {
      const stored = (await world.store.checkpoint.read())?.bytes
      return stored !== undefined && witnesses.isWitnessed(stored.toString())
    }
    for (const start of [0, 3]) {
      await archiveEvents(world, [start, start + 1, start + 2])
      const before = (await world.store.checkpoint.read())?.bytes.toString()
      const notary = createNotary({ ...world, intervalMs: 5, witnesses })
      await runUntil(notary, async () => {
        const now = (await world.store.checkpoint.read())?.bytes.toString()
        return now?.split('\n')[1] !== before?.split('\n')[1] && (await isWitnessed())
      })
    }
    const { verifyArchive } = await import('@muniment/archive')
    const report = await verifyArchive({ store: world.store, policy: text })
    expect(report.problems).toEqual([])
    const size = report.anchored?.treeSize
    expect(report.anchored?.witnessed).toMatchObject({
      treeSize: size,
      by: [
        { name: 'w.test/1', treeSize: size },
        { name: 'w.test/2', treeSize: size },
      ],
    })
  })

  test('goes on without them, and says so once when it lasts', async () => {
    await using world = await createWorld()
    const { vkey } = await world.keys.logSigner()
    const away = createCosigner('w.test/1', generateKeyPairSync('ed25519').privateKey).vkey
    const policy = parsePolicy(`log ${vkey}\nwitness w ${away} http://127.0.0.1:1\nquorum w`)
    const witnesses = createWitnesses({ policy, log, timeoutMs: 1000 })
    const spans: UnwitnessedSpan[] = []
    await archiveEvents(world, [0, 1, 2])
    const notary = createNotary({
      ...world,
      intervalMs: 2,
      witnesses,
      maxUnwitnessedMs: 20,
      onUnwitnessed: span => spans.push(span),
    })
    await runUntil(notary, () => Promise.resolve(spans.length > 0))
    expect(spans).toMatchObject([{ witnessedSize: 0 }])
    const { verifyArchive } = await import('@muniment/archive')
    const report = await verifyArchive({
      store: world.store,
      policy: `log ${vkey}\nwitness w ${away}\nquorum w`,
    })
    expect(report.problems.map(({ code }) => code)).toEqual(['log.unwitnessed'])
    expect((await verifyArchive({ store: world.store, verifierKey: vkey })).problems).toEqual([])
  })

  test('a witness refuses a notary whose log was rolled back', async () => {
    const setup = await setUp()
    const stop = new AbortController()
    servers.push(stop)
    const { promise: ready, resolve: onReady } = Promise.withResolvers<string>()
    const { witness } = setup
    const server = createWitnessServer({ witness, log, host: '127.0.0.1', port: 0, onReady })
    const running = server.run(stop.signal)
    const url = await ready
    const policy = parsePolicy(`witness w ${setup.cosignerKey} ${url}\nquorum w`)
    const signal = new AbortController().signal
    const fresh = (): ReturnType<typeof createWitnesses> =>
      createWitnesses({ policy, log, timeoutMs: 10_000 })
    const grow = async (size: number, root?: Buffer): Promise<string | undefined> =>
      fresh().ask(
        {
          note: await setup.note(size, root),
          treeSize: size,
          proofFrom: older => proofs[`${older}-${size}`] ?? [],
        },
        signal,
      )
    expect(await grow(1)).toContain('w1')
    expect(await grow(3)).toContain('w1')
    expect(await grow(2)).toBeUndefined()
    expect(await grow(3, forkRoot)).toBeUndefined()
    stop.abort()
    await running
  })
})

describe('the witness over HTTP', () => {
  test.each([
    ['GET', '/add-checkpoint', undefined, 405],
    ['POST', '/', 'x', 404],
    ['GET', '/../secrets', undefined, 404],
    ['POST', '/add-checkpoint', 'x'.repeat(70_000), 413],
    ['POST', '/add-checkpoint', 'x', 400],
  ])('%s %s is answered soberly', async (...row) => {
    const [method, path, content, status] = row
    const { witness } = await setUp()
    const stop = new AbortController()
    const url = await new Promise<string>(onReady => {
      void createWitnessServer({ witness, log, host: '127.0.0.1', port: 0, onReady }).run(stop.signal)
    })
    const response = await fetch(url + path, { method, ...(content !== undefined && { body: content }) })
    await response.text()
    stop.abort()
    expect(response.status).toBe(status)
  })
})
