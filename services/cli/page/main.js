// The page that verifies, without a server: the same verifier as `muniment verify`, on files that are chosen here.
import { verifyArchive, verifyProof } from '@muniment/archive/verify'
import { config } from 'zod'
import { createFolderStore } from './folder.js'
import { parseSegmentKeys } from './keys.js'
import { archiveView, failureView, h, proofView } from './view.js'

// The page's policy forbids compiling text, which checking schemas would try for speed.
config({ jitless: true })

const byId = id => document.getElementById(id)

/** Keys, one a line, and the policy, as they stand in the form. */
function trust() {
  const keys = byId('log-key')
    .value.split('\n')
    .map(line => line.trim())
    .filter(Boolean)
  const policy = byId('policy').value.trim()
  return { ...(keys.length > 0 && { verifierKey: keys }), ...(policy !== '' && { policy: `${policy}\n` }) }
}

async function bytesOf(input) {
  const [file] = input.files
  return file && Buffer.from(await file.arrayBuffer())
}

let runs = 0

async function show(work) {
  runs += 1
  const run = runs
  const place = byId('result')
  const progress = h('p', { class: 'progress', role: 'status' }, 'Reading …')
  place.replaceChildren(progress)
  const onProgress = text => (progress.textContent = text)
  const view = await work(onProgress).catch(failureView)
  // A later choice has taken the place.
  if (run === runs) place.replaceChildren(...view.filter(part => part !== undefined))
}

function pause() {
  return new Promise(resolve => setTimeout(resolve))
}

async function checkArchive(files, onProgress) {
  const keys = parseSegmentKeys(byId('segment-keys').value)
  const store = createFolderStore(files)
  let shownMs = 0
  const progressed = ({ manifests, records, bytes }) => {
    if (performance.now() - shownMs < 100) return
    shownMs = performance.now()
    onProgress(`Reading … ${manifests} manifests, ${records} records, ${(bytes / 1e6).toFixed(1)} MB`)
  }
  await pause()
  return archiveView(
    await verifyArchive({ store, ...trust(), ...(keys && { keys }), onProgress: progressed }),
  )
}

async function checkProof() {
  const proof = await bytesOf(byId('proof'))
  if (proof === undefined) return []
  const record = await bytesOf(byId('record'))
  return proofView(verifyProof(proof, { ...trust(), ...(record && { record }) }))
}

function again() {
  const { files } = byId('folder')
  if (byId('proof').files.length > 0) void show(checkProof)
  else if (files.length > 0) void show(onProgress => checkArchive(files, onProgress))
}

byId('folder').addEventListener('change', () => {
  byId('proof').value = ''
  again()
})
byId('proof').addEventListener('change', () => {
  byId('folder').value = ''
  again()
})
for (const id of ['record', 'log-key', 'policy', 'segment-keys']) byId(id).addEventListener('change', again)
