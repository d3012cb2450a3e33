import { createHash } from 'node:crypto'
import type { UnwitnessedSpan } from '@muniment/archiver'
import type { OutgoingRecord } from '@muniment/bus'
import { alertRecord, ocsfVersion, type Alert } from '@muniment/schema'
import { programVersion } from './version.ts'

const highSeverity = 4
const statisticalAnalytic = 1
const tenant = 'default'

function alertOf({ logName, nowMs, span }: UnwitnessedFinding): Alert {
  const { witnessedSize, treeSize, spanMs } = span
  const uid = createHash('sha256')
    .update(`unwitnessed ${logName} ${witnessedSize}`)
    .digest('hex')
    .slice(0, 32)
  const firstMs = nowMs - spanMs
  return {
    class_uid: 2004,
    category_uid: 2,
    activity_id: 1,
    type_uid: 200_401,
    time: nowMs,
    severity_id: highSeverity,
    status_id: 1,
    is_alert: true,
    message: `${treeSize - witnessedSize} entries of the log ${logName} have lacked cosignatures for ${Math.round(spanMs / 1000)} s`,
    metadata: {
      uid,
      version: ocsfVersion,
      product: { name: 'Muniment', vendor_name: 'Muniment', version: programVersion },
      tenant_uid: tenant,
    },
    finding_info: {
      uid,
      title: 'The log is not witnessed',
      desc: 'Too few witnesses cosign the log: whoever holds its signing key could rewrite what was added meanwhile.',
      analytic: { uid: 'muniment.notary.unwitnessed', type_id: statisticalAnalytic },
      first_seen_time: firstMs,
      last_seen_time: nowMs,
    },
    evidences: [{ data: { ...span } }],
    observables: [],
    count: 1,
    unmapped: {
      dedup_key: `unwitnessed/${logName}`,
      source: { lane: `notary/${logName}`, seq: witnessedSize },
    },
  }
}

/** A span of a log that too few witnesses have seen. */
interface UnwitnessedFinding {
  readonly logName: string
  readonly nowMs: number
  readonly span: UnwitnessedSpan
}

/** The alert, ready to be published on the topic of alerts. */
export function unwitnessedAlert(finding: UnwitnessedFinding): OutgoingRecord {
  return alertRecord(alertOf(finding))
}
