// What was found, as a page. Everything that comes from files is put in as text, never as markup.

/** An element with text and elements in it. */
export function h(name, attributes, ...children) {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  element.append(...children.flat(Infinity).filter(child => child !== undefined))
  return element
}

function instant(ms) {
  return ms === undefined ? '–' : new Date(ms).toISOString().replace('T', ' ').replace('.000Z', 'Z')
}

const whole = new Intl.NumberFormat('en')

function verdict(tone, title, text) {
  return h('div', { class: `verdict ${tone}`, role: 'status' }, h('strong', {}, title), h('p', {}, text))
}

function facts(pairs) {
  const rows = pairs.filter(([, value]) => value !== undefined)
  return h(
    'dl',
    {},
    rows.map(([name, value]) => [h('dt', {}, name), h('dd', {}, String(value))]),
  )
}

function section(title, ...children) {
  return h('section', {}, h('h3', {}, title), children)
}

const maxShown = 200

function findings(title, list) {
  if (list.length === 0) return undefined
  const items = list.slice(0, maxShown).map(({ code, object, range, entries, reason }) => {
    const where =
      range && `${range.topic}/${range.partition} offsets ${range.first_offset}–${range.next_offset - 1}`
    const ofLog = entries && `entries ${entries.first}–${entries.next === undefined ? '' : entries.next - 1}`
    return h(
      'li',
      {},
      h('code', {}, code),
      h('p', {}, reason),
      h('small', {}, [object, where, ofLog].filter(Boolean).join(' · ')),
    )
  })
  const rest = list.length > maxShown ? h('li', {}, `… and ${list.length - maxShown} more`) : undefined
  return section(`${title} (${whole.format(list.length)})`, h('ul', { class: 'findings' }, items, rest))
}

function table(names, rows) {
  return h(
    'div',
    { class: 'wide' },
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          names.map(name => h('th', {}, name)),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map(row =>
          h(
            'tr',
            {},
            row.map(cell => h('td', {}, String(cell))),
          ),
        ),
      ),
    ),
  )
}

function coverage(covered) {
  const rows = covered.flatMap(({ topic, partition, first_offset: first, next_offset: next, tenants }) =>
    tenants.map(({ tenant, records, min_ms: min, max_ms: max }) => [
      tenant,
      `${topic}/${partition}`,
      `${first}–${next - 1}`,
      whole.format(records),
      instant(min),
      instant(max),
    ]),
  )
  if (rows.length === 0) return undefined
  return section('What is covered', table(['Tenant', 'Partition', 'Offsets', 'Records', 'From', 'To'], rows))
}

function anchorSection({ anchored }) {
  if (anchored === undefined) return undefined
  const { origin, treeSize, root, isSignatureChecked, witnessed } = anchored
  const by = witnessed?.by.map(
    ({ name, treeSize: size, time }) => `${name} (${size} entries, ${instant(time * 1000)})`,
  )
  return section(
    'The log that anchors it',
    facts([
      ['Log', origin],
      ['Entries', whole.format(treeSize)],
      ['Root', root],
      [
        'Signature',
        isSignatureChecked ? 'checked with the key that you gave' : 'NOT checked: no key was given',
      ],
      ['Witnesses', by === undefined ? undefined : by.join(', ') || 'none has cosigned'],
    ]),
  )
}

function count(number) {
  return whole.format(number)
}

function archiveVerdict({ ok, problems, checked, anchored }) {
  const contents = checked.hasContents
    ? `${count(checked.opened)} segments were opened with the keys that you gave and compared record by record, the others by their hashes.`
    : 'Contents are encrypted and were compared by their hashes.'
  const text = `${count(checked.manifests)} manifests, ${count(checked.objects)} objects, ${count(checked.records)} records. ${contents}`
  if (!ok)
    return verdict(
      'bad',
      problems.length === 1 ? 'One problem.' : `${count(problems.length)} problems.`,
      text,
    )
  if (anchored?.isSignatureChecked === true) return verdict('good', 'Nothing altered, nothing missing.', text)
  const warning = `${text} Whoever made all of it anew would pass, too: give the key of the log.`
  return verdict('warn', 'It fits together, but whose it is was not checked.', warning)
}

/** A whole archive's report. */
export function archiveView(report) {
  const { problems, notes, covered } = report
  return [
    archiveVerdict(report),
    findings('Problems', problems),
    anchorSection(report),
    coverage(covered),
    findings('Worth knowing', notes),
  ]
}

function aboutOf({ record, lane }) {
  if (lane !== undefined)
    return `The archive has every number from ${lane.from} to ${lane.to} of lane ${lane.lane}.`
  return `A record of tenant ${record.tenant} is in the archive, at row ${record.row + 1} of ${record.rows} of its segment.`
}

function recordSection(record) {
  if (record === undefined) return undefined
  if (record.raw !== undefined) return section('The record', h('pre', {}, pretty(record.raw.toString())))
  const lacking = 'Only its hash is proven: the record itself is not in the file.'
  return section('The record', h('p', {}, lacking), facts([['Leaf', record.leaf]]))
}

function placeSection(cuts) {
  const rows = cuts.map(
    ({ topic, partition, first_offset: first, next_offset: next, sealed_ms: sealed, entry }) => [
      `${topic}/${partition}`,
      `${first}–${next - 1}`,
      instant(sealed),
      entry,
    ],
  )
  return section('Where it stands', table(['Partition', 'Offsets', 'Sealed', 'Entry of the log'], rows))
}

function signedSection({ log, cosignatures }) {
  const by = cosignatures.map(({ name, time }) => `${name} at ${instant(time * 1000)}`)
  return section(
    'Signed by',
    facts([
      ['Log', log.origin],
      ['Entries', whole.format(log.treeSize)],
      ['Root', log.root],
      ['Cosigned by', by.join(', ') || 'nobody whom you named'],
    ]),
  )
}

/** A single proof's report. */
export function proofView(report) {
  if (!report.ok) return [verdict('bad', 'The proof does not hold.', report.reason)]
  return [
    verdict('good', 'The proof holds.', aboutOf(report)),
    recordSection(report.record),
    placeSection(report.cuts),
    signedSection(report),
  ]
}

function pretty(raw) {
  try {
    return JSON.stringify(JSON.parse(raw), undefined, 2)
  } catch {
    return raw
  }
}

/** Why nothing could be checked. */
export function failureView(error) {
  const message = error instanceof Error ? error.message : String(error)
  const hint = error instanceof Error && typeof error.hint === 'string' ? error.hint : ''
  return [verdict('bad', 'This could not be checked.', `${message} ${hint}`.trim())]
}
