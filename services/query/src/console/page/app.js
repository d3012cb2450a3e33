// The console's page. It only reads; everything that comes from records is put in as text, never as markup.

import { ask, byId, facts, h, showError, timeText, tookText, whole } from './dom.js'
import { openRecord } from './drawer.js'

const refreshMs = 10_000
const rowLimit = 200

const tones = {
  ok: 'good',
  input_required: '',
  task: '',
  tool_error: 'warn',
  rpc_error: 'warn',
  cancelled: 'warn',
  unanswered: 'bad',
  denied: 'bad',
}

function outcomeBadge({ outcome, kind }) {
  const text = (outcome ?? kind ?? '').replaceAll('_', ' ')
  return h('span', { class: `badge ${tones[outcome] ?? ''}` }, text)
}

function kindBadges(types) {
  const list = (types ?? '').split(',').filter(Boolean)
  return h('div', { class: 'kinds' }, ...list.map(type => h('span', { class: 'badge' }, type)))
}

function callRow(call) {
  const open = event => {
    event.stopPropagation()
    void openRecord(call.id)
  }
  return h(
    'tr',
    { onclick: open },
    h('td', { class: 'time' }, h('time', { datetime: call.time, title: call.time }, timeText(call.time))),
    h('td', {}, outcomeBadge(call)),
    h(
      'td',
      {},
      h('button', { type: 'button', class: 'link', onclick: open }, call.target ?? call.method ?? call.kind),
      h('small', {}, call.target ? call.method : ''),
    ),
    h(
      'td',
      {},
      call.principal_id ??
        h('span', { class: 'figures' }, call.client_name ? `${call.client_name} (unverified)` : 'anonymous'),
    ),
    h('td', { class: 'soft' }, call.server_name ?? ''),
    h('td', { class: 'number soft' }, tookText(call.duration_ms)),
    h('td', {}, kindBadges(call.pii_types)),
    h(
      'td',
      {},
      call.archived
        ? ''
        : h('span', { class: 'waiting', title: 'On the bus; archived within seconds' }, 'arriving'),
    ),
  )
}

function tile(name, value, tone) {
  return h('div', {}, h('dt', {}, name), h('dd', { class: tone }, value))
}

function sumWhere(groups, test) {
  return groups.filter(test).reduce((sum, group) => sum + group.calls, 0)
}

function showSummary(groups) {
  const calls = sumWhere(groups, ({ kind }) => kind !== 'heartbeat' && kind !== 'gap')
  const failed = sumWhere(
    groups,
    ({ outcome }) => outcome && !['ok', 'task', 'input_required'].includes(outcome),
  )
  const masked = sumWhere(groups, ({ pii_types: types }) => Boolean(types))
  const waiting = sumWhere(groups, ({ archived }) => !archived)
  const gaps = sumWhere(groups, ({ kind }) => kind === 'gap')
  byId('tiles').replaceChildren(
    tile('Exchanges', whole.format(calls)),
    tile('Not successful', whole.format(failed)),
    tile('With personal data masked', whole.format(masked)),
    tile('Waiting for the archive', whole.format(waiting)),
    tile('Reported gaps', whole.format(gaps), gaps > 0 ? 'bad' : undefined),
  )
  const select = byId('filters').elements.namedItem('pii')
  const known = new Set([...select.options].map(option => option.value))
  for (const type of groups.flatMap(group => (group.pii_types ?? '').split(',')).filter(Boolean))
    if (!known.has(type)) {
      known.add(type)
      select.append(h('option', {}, type))
    }
}

async function loadCalls() {
  const given = [...new FormData(byId('filters'))].filter(([, value]) => value !== '')
  const filters = new URLSearchParams(given)
  filters.set('limit', rowLimit)
  const [{ rows }, { groups }] = await Promise.all([
    ask(`/api/calls?${filters}`),
    ask(`/api/summary?hours=${filters.get('hours')}`),
  ])
  byId('call-rows').replaceChildren(...rows.map(callRow))
  byId('calls-empty').hidden = rows.length > 0
  showSummary(groups)
}

/** By OCSF severity: what asks for a look at once, soon, or some day. */
const severityTones = ['', '', '', 'warn', 'bad', 'bad', 'bad']
const severities = ['', 'info', 'low', 'medium', 'high', 'critical', 'fatal']

/** What happened, without the title that stands above it, and who did it where the sentence does not say. */
function explanation({ message, title, principal_id: principal }) {
  const text = message ?? ''
  const told = title && text.startsWith(`${title}: `) ? text.slice(title.length + 2) : text
  return principal && !text.includes(principal) ? `${told} — ${principal}` : told
}

function alertRow(alert) {
  const tone = severityTones[alert.severity_id] ?? ''
  return h(
    'li',
    {},
    h('div', {}, h('span', { class: `badge ${tone}` }, severities[alert.severity_id] ?? 'unknown')),
    h(
      'div',
      {},
      h(
        'button',
        { type: 'button', class: 'link', onclick: () => void openRecord(alert.id) },
        alert.title ?? alert.rule ?? 'Alert',
      ),
      h('p', {}, explanation(alert)),
    ),
    h('time', { datetime: alert.time, title: alert.time }, timeText(alert.time)),
  )
}

async function loadAlerts() {
  const { rows } = await ask(`/api/alerts?limit=${rowLimit}`)
  byId('alert-rows').replaceChildren(...rows.map(alertRow))
  byId('alerts-empty').hidden = rows.length > 0
  byId('alert-count').textContent = String(rows.length)
  byId('alert-count').hidden = rows.length === 0
}

function cellText(value) {
  if (value === null) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

async function runSql(event) {
  event.preventDefault()
  const button = byId('ask-form').querySelector('button')
  button.disabled = true
  try {
    const { columns, rows, figures } = await ask('/api/query', { sql: byId('sql').value })
    showError()
    const head = h('thead', {}, h('tr', {}, ...columns.map(name => h('th', { scope: 'col' }, name))))
    const body = rows.map(row =>
      h('tr', {}, ...row.map(value => h('td', { class: 'cell' }, cellText(value)))),
    )
    byId('ask-table').replaceChildren(head, h('tbody', {}, ...body))
    const cut = figures.isTruncated ? ' (cut at the limit)' : ''
    byId('ask-figures').textContent =
      `${whole.format(rows.length)} rows${cut} in ${Math.round(figures.elapsedMs)} ms, ${figures.segmentsFetched} of ${figures.segments} segments, ${whole.format(Math.round(figures.bytes / 1024))} KiB read`
  } catch (error) {
    showError(error)
  } finally {
    button.disabled = false
  }
}

function finding({ reason, message, key }) {
  return h('li', {}, message ?? reason ?? '', key ? h('small', {}, key) : '')
}

function verdictText({ ok, problems, anchored }) {
  if (!ok) return problems.length === 1 ? '1 problem.' : `${problems.length} problems.`
  if (anchored) return 'Nothing altered, nothing missing.'
  return 'Nothing altered. The log is not signed yet, so a missing end would not show.'
}

function showReport({ ok, problems, notes, checked, anchored }) {
  const sums = [
    ['Manifests', whole.format(checked.manifests)],
    ['Objects', whole.format(checked.objects)],
    ['Records', whole.format(checked.records)],
    ['Bytes', whole.format(checked.bytes)],
    ['Signed log', anchored ? `${whole.format(anchored.treeSize)} entries` : 'not there yet'],
  ]
  byId('report').replaceChildren(
    h('p', { class: `verdict ${ok ? 'good' : 'bad'}` }, verdictText({ ok, problems, anchored })),
    facts(sums),
    ...(problems.length > 0 ? [h('h3', {}, 'Problems'), h('ul', {}, ...problems.map(finding))] : []),
    ...(notes.length > 0 ? [h('h3', {}, 'Notes'), h('ul', {}, ...notes.map(finding))] : []),
  )
}

async function verify() {
  byId('verify').disabled = true
  byId('report').textContent = 'Reading everything …'
  try {
    showReport(await ask('/api/verify'))
    showError()
  } catch (error) {
    byId('report').textContent = ''
    showError(error)
  } finally {
    byId('verify').disabled = false
  }
}

const loaders = { calls: loadCalls, alerts: loadAlerts }
let isLoading = false

function currentView() {
  const name = location.hash.replace('#/', '')
  return ['calls', 'alerts', 'ask', 'evidence'].includes(name) ? name : 'calls'
}

async function load() {
  if (isLoading) return
  isLoading = true
  try {
    await loaders[currentView()]?.()
    showError()
  } catch (error) {
    showError(error)
  } finally {
    isLoading = false
  }
}

function show() {
  const view = currentView()
  for (const link of document.querySelectorAll('nav a')) {
    const isCurrent = link.dataset.view === view
    byId(link.dataset.view).hidden = !isCurrent
    if (isCurrent) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  document.title = `${view[0].toUpperCase()}${view.slice(1)} — Muniment`
  void load()
}

byId('filters').addEventListener('change', () => void load())
byId('filters').addEventListener('submit', event => event.preventDefault())
byId('ask-form').addEventListener('submit', event => void runSql(event))
byId('verify').addEventListener('click', () => void verify())
byId('close').addEventListener('click', () => byId('detail').close())
byId('detail').addEventListener('click', event => event.target === byId('detail') && byId('detail').close())
addEventListener('hashchange', show)
setInterval(() => {
  if (byId('live').checked && !document.hidden && !byId('detail').open) void load()
}, refreshMs)
show()
void loadAlerts().catch(showError)
