// One record in the drawer at the side.

import { ask, byId, facts, h, showError, tookText } from './dom.js'

function evidenceFacts(evidence) {
  if (!evidence)
    return h(
      'p',
      { class: 'waiting' },
      'On the bus; its evidence exists once it is archived, within seconds.',
    )
  const { manifest, object, row, rows, start, sizeBytes, leaf, root } = evidence
  return facts([
    ['Manifest', manifest.key, true],
    ['Digest', manifest.sha256, true],
    ['Object', object.key, true],
    ['Version', object.version, true],
    ['Bytes', `${start}–${start + sizeBytes}`, true],
    ['Row', `${row + 1} of ${rows}`],
    ['Leaf', leaf, true],
    ['Root', root, true],
  ])
}

function part(title, content) {
  return content === undefined || content === null ? [] : [h('h3', {}, title), content]
}

function jsonBlock(value) {
  return value === undefined
    ? undefined
    : h('pre', { tabindex: '0' }, typeof value === 'string' ? value : JSON.stringify(value, null, 2))
}

function named(label) {
  return [label?.name, label?.version].filter(Boolean).join(' ')
}

function laneText(source) {
  return source && `${source.instance}/${source.epoch} #${source.seq}`
}

function findingFacts(findings = []) {
  if (findings.length === 0) return undefined
  return facts(findings.map(({ type, path, count, action }) => [type, `${path} — ${count} × ${action}`]))
}

function eventParts(record) {
  const { principal, error, source } = record
  return [
    facts([
      ['Time', record.time],
      ['Outcome', [record.outcome, error?.message].filter(Boolean).join(' — ')],
      ['Took', tookText(record.duration_ms)],
      ['Principal', principal && `${principal.id} (${principal.method})`],
      ['Client', named(record.client)],
      ['Server', named(record.server)],
      ['Tenant', record.tenant],
      ['Lane', laneText(source), true],
      ['Id', record.id, true],
    ]),
    ...part('Masked', findingFacts(record.pii?.findings)),
    ...part('Request', jsonBlock(record.request?.body)),
    ...part('Response', jsonBlock(record.response?.body)),
  ]
}

function titleOf(record) {
  return record.finding_info?.title ?? record.target ?? record.method ?? record.kind ?? 'Record'
}

function partsOf({ record, raw }) {
  const isEvent = record !== undefined && record.class_uid === undefined
  return isEvent ? eventParts(record) : part('Record', jsonBlock(record ?? raw))
}

/** Shows the record with this id and where its evidence stands. */
export async function openRecord(id) {
  try {
    const found = await ask(`/api/records/${encodeURIComponent(id)}`)
    byId('detail-title').textContent = titleOf(found.record ?? {})
    byId('detail-body').replaceChildren(...partsOf(found), ...part('Evidence', evidenceFacts(found.evidence)))
    byId('detail').showModal()
    showError()
  } catch (error) {
    showError(error)
  }
}
