// The page that verifies without a server, in a real browser: the same archive and proof, whole and spoilt.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  createCutWriter,
  openArchive,
  openLog,
  openStore,
  proveRecord,
  type ArchiveStore,
  type CommittedManifest,
} from '@muniment/archive'
import { openKeys, openSecrets } from '@muniment/keys'
import { topic } from '@muniment/schema'
import { openState } from '@muniment/state'
import { chromium, type Browser, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { browserLaunch } from '../lanes/browser.ts'
import { describeLanes } from '../lanes/lanes.ts'

const folder = mkdtempSync(join(tmpdir(), 'muniment-page-'))
const archive = join(folder, 'archive')
const file = (name: string): string => join(folder, name)

function record(seq: number): Buffer {
  const event = {
    id: `01a1fd6e-3a59-72f4-a250-f9a7a24357e${seq}`,
    time: '2026-11-20T08:00:00.000Z',
    tenant: 'acme',
    kind: 'call',
    target: '<img src=x onerror="document.title = \'run\'">',
    request: { body: { jsonrpc: '2.0', method: 'tools/call', params: { text: `${seq} `.repeat(400) } } },
    pii: { findings: [], version: '1' },
    source: { instance: 'web-1', epoch: 1, seq, version: '1' },
    nonce: '00',
  }
  return Buffer.from(JSON.stringify(event))
}

interface Made {
  readonly logKey: string
  /** Of each segment, as `muniment keys data` prints it. */
  readonly segmentKeys: readonly string[]
  readonly newest: CommittedManifest | undefined
}

/** An archive of three cuts with its log, and keys. */
async function makeArchive(directory: string, versionOf = (version: string) => version): Promise<Made> {
  const [state, secrets] = await Promise.all([openState({ kind: 'memory' }), openSecrets({ kind: 'memory' })])
  const keys = openKeys({
    secrets,
    state,
    now: Date.now,
    randomBytes,
    cacheTtlMs: 60_000,
    logName: 'a.example/log',
  })
  await using folderStore = await openStore({ kind: 'file', directory })
  const store: ArchiveStore = {
    ...folderStore,
    async put(object) {
      const result = await folderStore.put(object)
      const isData = result.kind === 'stored' && !object.key.startsWith('manifest/')
      return isData ? { ...result, version: versionOf(result.version) } : result
    },
  }
  const cuts = createCutWriter({
    store,
    keys: keys.segmentKeys,
    now: Date.now,
    randomBytes,
    largeBodyBytes: 500,
  })
  const reading = openArchive({ store, keys: keys.segmentKeys })
  const segmentKeys: string[] = []
  let previous: CommittedManifest | undefined
  for (const seq of [0, 1, 2]) {
    const records = [{ offset: seq, appendedMs: Date.now(), value: record(seq) }]
    const place = { topic: topic.events, partition: 0, nextOffset: seq + 1, previous }
    previous = (await cuts.write({ ...place, records })).manifest
    const { objects, segments } = previous.manifest
    const [object] = objects
    for (const segment of segments) {
      const hex = (await reading.dataKey(previous, segment)).export().toString('hex')
      segmentKeys.push(JSON.stringify({ segment: object?.key, tenant: segment.tenant, key_hex: hex }))
    }
  }
  const signer = await keys.logSigner()
  await openLog({ store, signer, now: Date.now }).integrate()
  return { logKey: signer.vkey, segmentKeys, newest: previous }
}

/** A proof of the newest record. */
async function makeProof(newest: CommittedManifest | undefined): Promise<void> {
  await using store = await openStore({ kind: 'file', directory: archive })
  const [object] = newest?.manifest.objects ?? []
  if (object === undefined || newest === undefined) throw new Error('nothing was archived')
  const evidence = { manifest: newest, object, start: 0, row: 0 }
  const proof = await proveRecord(store, evidence, { raw: record(2), isDisclosed: true })
  writeFileSync(file('event.proof'), proof)
}

function spoil(copy: string, name: RegExp): void {
  cpSync(archive, file(copy), { recursive: true })
  const path = execFileSync('find', [file(copy), '-type', 'f'], { encoding: 'utf8' })
    .split('\n')
    .find(each => name.test(each))
  const bytes = readFileSync(path ?? '')
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
  chmodSync(path ?? '', 0o600)
  writeFileSync(path ?? '', bytes)
}

/** The proof with one sign of its `line`-th hash changed. */
function forgeProof(): void {
  const lines = readFileSync(file('event.proof'), 'utf8').split('\n')
  const at = lines.findIndex(line => /^[A-Za-z0-9+/]{43}=$/u.test(line))
  const line = lines[at] ?? ''
  lines[at] = `${line.startsWith('A') ? 'B' : 'A'}${line.slice(1)}`
  writeFileSync(file('forged.proof'), lines.join('\n'))
}

describeLanes(['browser'], 'the page that verifies', () => {
  let browser: Browser
  let page: Page
  let logKey: string
  let copyKey: string
  let segmentKeys: readonly string[]
  const asked: string[] = []
  const said: string[] = []

  beforeAll(async () => {
    copyKey = (await makeArchive(file('copied'), () => '3sL4kqtJlcpXroDTDmJ')).logKey
    const made = await makeArchive(archive)
    ;({ logKey, segmentKeys } = made)
    await makeProof(made.newest)
    spoil('altered', /\.parquet$|\/bundle\/.*\d$/u)
    spoil('retold', /\/manifest\/.*\.json$/u)
    spoil('forked', /\/log\/checkpoint$/u)
    forgeProof()
    execFileSync(process.execPath, ['infra/page.ts', file('verify.html')])
    browser = await chromium.launch(browserLaunch())
    page = await browser.newPage()
    page.setDefaultTimeout(20_000)
    page.on('request', request => asked.push(request.url()))
    page.on('console', message => said.push(message.text()))
    page.on('pageerror', error => said.push(error.message))
  }, 60_000)
  afterAll(async () => {
    await browser.close()
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  })

  async function check(input: string, path: string, key = logKey): Promise<string> {
    await page.goto(pathToFileURL(file('verify.html')).href)
    await page.fill('#log-key', key)
    await page.setInputFiles(input, path)
    await page.waitForSelector('.verdict')
    return (await page.textContent('#result')) ?? ''
  }

  test.each([
    ['#folder', 'archive', /^Nothing altered, nothing missing\..*3 records/u],
    ['#folder', 'altered', /^\d problems\..*object\.altered.*mcp\.events/u],
    ['#folder', 'retold', /^(?:One|\d) problem/u],
    ['#folder', 'forked', /^(?:One|\d) problem.*log\./u],
    ['#proof', 'event.proof', /^The proof holds\..*acme.*a\.example\/log/su],
    ['#proof', 'forged.proof', /^The proof does not hold\./u],
  ])('%s %s is judged as the command judges it', async (input, name, verdict) => {
    expect(await check(input, file(name))).toMatch(verdict)
  })

  async function checkWith(lines: readonly string[], path = archive): Promise<string> {
    await page.goto(pathToFileURL(file('verify.html')).href)
    await page.fill('#log-key', logKey)
    await page.click('text=Keys of segments')
    await page.fill('#segment-keys', lines.join('\n'))
    await page.setInputFiles('#folder', path)
    await page.waitForSelector('.verdict')
    return (await page.textContent('#result')) ?? ''
  }

  test('with the keys of segments their contents are checked, and those without a key are said to be closed, not erased', async () => {
    const all = await checkWith(segmentKeys)
    expect(all).toMatch(/^Nothing altered, nothing missing\..*3 segments were opened/u)
    expect(all).not.toContain('segment.closed')
    const some = await checkWith(segmentKeys.slice(0, 1))
    expect(some).toMatch(/^Nothing altered, nothing missing\..*1 segments were opened/u)
    expect(some.match(/segment\.closed/gu)).toHaveLength(2)
    expect(some).not.toContain('erased')
  })

  test('keys that are another segment’s, or none, are named', async () => {
    const swapped = (segmentKeys[0] ?? '').replace(
      /[0-9a-f]{64}/u,
      /[0-9a-f]{64}/u.exec(segmentKeys[1] ?? '')?.[0] ?? '',
    )
    expect(await checkWith([swapped])).toMatch(/^One problem\..*segment\.unreadable.*wrong key/u)
    expect(await checkWith(['{"segment":"x"}'])).toMatch(
      /^This could not be checked.*Line 1 of the segment keys/u,
    )
    expect(await checkWith(segmentKeys, file('altered'))).toMatch(/^\d problems\..*segment\.unreadable/u)
  })

  test('a bucket that was copied to a folder is checked, and what a copy cannot show is said', async () => {
    expect(await check('#folder', file('copied'), copyKey)).toMatch(
      /^Nothing altered, nothing missing\..*store\.copied/su,
    )
  })

  test('without a key of the log nothing is called genuine', async () => {
    expect(await check('#folder', archive, '')).toMatch(/^It fits together, but whose it is was not checked/u)
    expect(await check('#proof', file('event.proof'), '')).toMatch(/^This could not be checked/u)
  })

  test('another key than the log’s is not satisfied', async () => {
    const other = 'a.example/log+c74f20a3+ARpc2QcUPDhMKegwbDzKxvfVWCvyNlHeFN3Jx7pCbx5M'
    expect(await check('#folder', archive, other)).toMatch(/^(?:\d+ problems|One problem|This could not)/u)
    expect(await check('#proof', file('event.proof'), other)).toMatch(
      /^(?:The proof does not hold|This could not)/u,
    )
  })

  test('what stands in records is text, nothing was asked of any network, and the policy forbids it', async () => {
    await check('#proof', file('event.proof'))
    expect(await page.title()).toBe('Muniment: verify')
    expect(await page.textContent('pre')).toContain('<img src=x')
    expect(new Set(asked.map(url => new URL(url).protocol))).toEqual(new Set(['file:']))
    expect(said).toEqual([])
    const reached = await page.evaluate(
      `fetch('http://127.0.0.1:9/').then(() => 'reached', error => error.message)`,
    )
    expect([reached, said.join()]).toEqual([
      'Failed to fetch',
      expect.stringContaining('Content Security Policy'),
    ])
  })
})
