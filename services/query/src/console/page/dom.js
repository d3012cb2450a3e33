// Elements, texts, and the way to the API.

const tokenName = 'muniment-token'

export const byId = id => document.getElementById(id)

/** An element with attributes, listeners (`onclick`) and children; strings become text. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value)
    else element.setAttribute(key, value === true ? '' : String(value))
  }
  element.append(...children.filter(child => child !== undefined && child !== null))
  return element
}

/** The token comes in the address once; it is kept for this tab and taken out of the address. */
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token')
  if (given) {
    sessionStorage.setItem(tokenName, given)
    history.replaceState(null, '', '#/calls')
  }
  return sessionStorage.getItem(tokenName) ?? ''
}

const token = takeToken()

export async function ask(path, body) {
  const response = await fetch(path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  })
  const answer = await response.json()
  if (response.ok) return answer
  const { message, hint } = answer.error
  throw new Error(
    response.status === 401
      ? 'Open the address that `muniment up` printed: it carries the key to this page.'
      : `${message} ${hint}`,
  )
}

export function showError(error) {
  byId('notice').textContent = error?.message ?? ''
  byId('notice').hidden = error === undefined
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const day = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' })
export const whole = new Intl.NumberFormat()

export function timeText(iso) {
  if (!iso) return ''
  const date = new Date(iso)
  const isToday = date.toDateString() === new Date().toDateString()
  return isToday ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`
}

export function tookText(ms) {
  if (ms === null || ms === undefined) return ''
  if (ms < 1) return '< 1 ms'
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== null && value !== '')
  return h(
    'dl',
    { class: 'facts' },
    ...shown.flatMap(([name, value, mono]) => [
      h('dt', {}, name),
      h('dd', { class: mono && 'mono' }, String(value)),
    ]),
  )
}
