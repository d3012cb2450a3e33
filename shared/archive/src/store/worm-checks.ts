import type { ObjectLockRetention } from '@aws-sdk/client-s3'
import type { Answer, Probe } from './worm-probe.ts'

/** What is wrong with a store; with `isNoteOnly` only its answer is, not its effect. */
interface Wrong {
  readonly what: string
  readonly isNoteOnly?: boolean
}

interface Check {
  readonly id: string
  readonly promise: string
  readonly isMust: boolean
  readonly run: (probe: Probe) => Promise<Wrong | undefined>
}

const lockedBody = 'locked'

function unless(isRight: boolean, what: string): Wrong | undefined {
  return isRight ? undefined : { what }
}

/** The effect was right; an answer other than AWS's is worth a note. */
function expecting(answer: Answer, status: number): Wrong | undefined {
  return answer.status === status
    ? undefined
    : { what: `answered ${answer.status} ${answer.name}, AWS ${status}`, isNoteOnly: true }
}

async function putLocked(
  probe: Probe,
  name: string,
): Promise<{ readonly key: string; readonly version: string }> {
  const key = probe.key(name)
  const lock = { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: probe.untilDate } as const
  const { version = 'null' } = await probe.put(key, lockedBody, lock)
  return { key, version }
}

async function lockOf({ bucket, attempt }: Probe, Key: string, VersionId: string): Promise<string> {
  const { sdk, client, config } = bucket
  let lock = 'none'
  await attempt(async () => {
    const head = await client.send(new sdk.HeadObjectCommand({ Bucket: config.bucket, Key, VersionId }))
    if (head.ObjectLockMode) lock = `${head.ObjectLockMode} ${head.ObjectLockRetainUntilDate?.toISOString()}`
    return head
  })
  return lock
}

/** A locked version survives an attempt to delete it. */
async function deleteLocked(probe: Probe, bypass: boolean): Promise<Wrong | undefined> {
  const { sdk, client, config } = probe.bucket
  const { key, version } = await putLocked(probe, bypass ? 'c02' : 'c01')
  const input = { Bucket: config.bucket, Key: key, VersionId: version, BypassGovernanceRetention: bypass }
  const answer = await probe.attempt(async () => await client.send(new sdk.DeleteObjectCommand(input)))
  if ((await probe.read(key, version)) !== lockedBody) return { what: 'the locked version is gone' }
  return expecting(answer, 403)
}

/** A lock survives an attempt to weaken it, with and without the permission to bypass. */
async function weaken(
  probe: Probe,
  name: string,
  retention: ObjectLockRetention,
): Promise<Wrong | undefined> {
  const { sdk, client, config } = probe.bucket
  const { key, version } = await putLocked(probe, name)
  const before = await lockOf(probe, key, version)
  if (before === 'none') return { what: 'an object with a lock was not taken' }
  let answer: Answer | undefined
  for (const BypassGovernanceRetention of [false, true]) {
    const input = {
      Bucket: config.bucket,
      Key: key,
      VersionId: version,
      Retention: retention,
      BypassGovernanceRetention,
    }
    answer = await probe.attempt(async () => await client.send(new sdk.PutObjectRetentionCommand(input)))
    const after = await lockOf(probe, key, version)
    if (after !== before) return { what: `the lock became ${after}` }
  }
  return answer && expecting(answer, 403)
}

async function versioning({ bucket }: Probe): Promise<Wrong | undefined> {
  const { sdk, client, config } = bucket
  const { Status } = await client.send(new sdk.GetBucketVersioningCommand({ Bucket: config.bucket }))
  return unless(Status === 'Enabled', `versioning is ${Status ?? 'off'}`)
}

async function objectLock({ bucket, attempt }: Probe): Promise<Wrong | undefined> {
  const { sdk, client, config } = bucket
  let enabled: string | undefined
  const answer = await attempt(async () => {
    const found = await client.send(new sdk.GetObjectLockConfigurationCommand({ Bucket: config.bucket }))
    enabled = found.ObjectLockConfiguration?.ObjectLockEnabled
    return found
  })
  return unless(enabled === 'Enabled', `Object Lock is ${answer.isOk ? 'off' : answer.name}`)
}

async function suspend(probe: Probe): Promise<Wrong | undefined> {
  const { sdk, client, config } = probe.bucket
  const set = (Status: 'Enabled' | 'Suspended') => async (): Promise<object> =>
    await client.send(
      new sdk.PutBucketVersioningCommand({ Bucket: config.bucket, VersioningConfiguration: { Status } }),
    )
  const answer = await probe.attempt(set('Suspended'))
  if ((await versioning(probe)) === undefined) return expecting(answer, 409)
  await probe.attempt(set('Enabled'))
  return { what: 'versioning could be suspended; it was enabled again' }
}

async function retentionInHead(probe: Probe): Promise<Wrong | undefined> {
  const { key, version } = await putLocked(probe, 'p03')
  const found = await lockOf(probe, key, version)
  const expected = `COMPLIANCE ${probe.untilDate.toISOString()}`
  return unless(found === expected, `the lock is ${found}, not ${expected}`)
}

async function retentionInPast(probe: Probe): Promise<Wrong | undefined> {
  const key = probe.key('p05')
  const past = {
    ObjectLockMode: 'COMPLIANCE',
    ObjectLockRetainUntilDate: new Date(Date.now() - 60_000),
  } as const
  const answer = await probe.put(key, 'past', past)
  if ((await probe.versions(key)).length > 0) return { what: 'an object locked into the past was stored' }
  return expecting(answer, 400)
}

async function overwrite(probe: Probe): Promise<Wrong | undefined> {
  const { key, version } = await putLocked(probe, 'v01')
  await probe.put(key, 'another')
  return unless((await probe.read(key, version)) === lockedBody, 'the first version was overwritten')
}

async function hide(probe: Probe): Promise<Wrong | undefined> {
  const { sdk, client, config } = probe.bucket
  const { key, version } = await putLocked(probe, 'v02')
  await probe.attempt(
    async () => await client.send(new sdk.DeleteObjectCommand({ Bucket: config.bucket, Key: key })),
  )
  return unless((await probe.read(key, version)) === lockedBody, 'a delete without a version took the object')
}

async function createTwice(probe: Probe): Promise<Wrong | undefined> {
  const key = probe.key('x01')
  await probe.put(key, 'first', { IfNoneMatch: '*' })
  const answer = await probe.put(key, 'second', { IfNoneMatch: '*' })
  if ((await probe.versions(key)).length !== 1) return { what: 'a taken key was created again' }
  return expecting(answer, 412)
}

const racers = 20

async function race(probe: Probe): Promise<Wrong | undefined> {
  const key = probe.key('x03')
  const all = Array.from(
    { length: racers },
    async (_, at) => await probe.put(key, String(at), { IfNoneMatch: '*' }),
  )
  const won = (await Promise.all(all)).filter(({ isOk }) => isOk).length
  const versions = (await probe.versions(key)).length
  return unless(
    won === 1 && versions === 1,
    `of ${racers} creators ${won} won, ${versions} versions are there`,
  )
}

async function staleReplace(probe: Probe): Promise<Wrong | undefined> {
  const key = probe.key('x05')
  await probe.put(key, 'first')
  const answer = await probe.put(key, 'second', { IfMatch: '"00000000000000000000000000000000"' })
  if ((await probe.read(key, undefined)) !== 'first')
    return { what: 'a replacement by a stale tag was taken' }
  return expecting(answer, 412)
}

async function wrongChecksum(probe: Probe): Promise<Wrong | undefined> {
  const key = probe.key('i01')
  const answer = await probe.put(key, 'body', { ChecksumSHA256: Buffer.alloc(32).toString('base64') })
  if ((await probe.versions(key)).length > 0)
    return { what: 'a body that does not fit its SHA-256 was stored' }
  return expecting(answer, 400)
}

async function rangeOfVersion(probe: Probe): Promise<Wrong | undefined> {
  const { sdk, client, config } = probe.bucket
  const { key, version } = await putLocked(probe, 'i05')
  await probe.put(key, 'another')
  let found = ''
  const answer = await probe.attempt(async () => {
    const input = { Bucket: config.bucket, Key: key, VersionId: version, Range: 'bytes=1-3' }
    const output = await client.send(new sdk.GetObjectCommand(input))
    found = `${await output.Body?.transformToString()} ${output.ContentRange}`
    return output
  })
  return unless(found === 'ock bytes 1-3/6', `a range of an old version gave ${found}${answer.name}`)
}

const must = true
const anHour = 3_600_000

/** What evidence depends on, in the order in which it is tried; ids as in the published table of checks. */
export const checks: readonly Check[] = [
  { id: 'B01', promise: 'the bucket is versioned', isMust: must, run: versioning },
  { id: 'B02', promise: 'the bucket has Object Lock', isMust: must, run: objectLock },
  { id: 'B04', promise: 'versioning cannot be suspended', isMust: must, run: suspend },
  {
    id: 'P03',
    promise: 'an object is locked until the time that was asked for',
    isMust: must,
    run: retentionInHead,
  },
  { id: 'P05', promise: 'a lock into the past is refused', isMust: must, run: retentionInPast },
  {
    id: 'C01',
    promise: 'a locked version cannot be deleted',
    isMust: must,
    run: probe => deleteLocked(probe, false),
  },
  {
    id: 'C02',
    promise: 'nor by who may bypass governance',
    isMust: must,
    run: probe => deleteLocked(probe, true),
  },
  {
    id: 'C03',
    promise: 'a lock cannot be shortened',
    isMust: must,
    run: probe =>
      weaken(probe, 'c03', {
        Mode: 'COMPLIANCE',
        RetainUntilDate: new Date(probe.untilDate.getTime() - 10_000),
      }),
  },
  {
    id: 'C04',
    promise: 'nor be weakened to governance',
    isMust: must,
    run: probe =>
      weaken(probe, 'c04', {
        Mode: 'GOVERNANCE',
        RetainUntilDate: new Date(probe.untilDate.getTime() + anHour),
      }),
  },
  { id: 'C05', promise: 'nor be taken away', isMust: must, run: probe => weaken(probe, 'c05', {}) },
  { id: 'V01', promise: 'overwriting leaves the version that was there', isMust: must, run: overwrite },
  { id: 'V02', promise: 'deleting without a version only hides', isMust: must, run: hide },
  { id: 'X01', promise: 'a taken key cannot be created again', isMust: must, run: createTwice },
  { id: 'X03', promise: 'of many creators of one key one wins', isMust: must, run: race },
  { id: 'X05', promise: 'a replacement by a stale tag is refused', isMust: must, run: staleReplace },
  { id: 'I01', promise: 'a body that does not fit its SHA-256 is refused', isMust: must, run: wrongChecksum },
  { id: 'I05', promise: 'ranges of old versions can be read', isMust: must, run: rangeOfVersion },
]
