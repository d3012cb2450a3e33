// A chosen folder as the store of an archive. It is read, file by file, and never written.

const checkpointKey = 'log/checkpoint'
const firstVersion = '0'

/** The part of a path inside the archive: people choose the folder itself, or one above it. */
function keyIn(path) {
  const found = /(?:^|\/)((?:seg|bundle|manifest|log|body)\/.*)$/u.exec(path)
  return found?.[1] ?? path.replace(/^[^/]*\//u, '')
}

function named(key) {
  const at = key.lastIndexOf('~')
  return at < 0 ? { key, version: firstVersion } : { key: key.slice(0, at), version: key.slice(at + 1) }
}

function order(a, b) {
  if (a.key !== b.key) return a.key < b.key ? -1 : 1
  const [first, second] = [a, b].map(({ version }) => (version === firstVersion ? '' : version))
  return first < second ? -1 : 1
}

function infoOf({ key, version, file }) {
  return { key, version, sizeBytes: file.size, isDeleteMarker: false }
}

/** Files of an input with `webkitdirectory` as an archive's store. */
export function createFolderStore(files) {
  const objects = [...files]
    .filter(file => !file.webkitRelativePath.includes('/.part/'))
    .map(file => Object.assign(named(keyIn(file.webkitRelativePath)), { file }))
    .toSorted(order)
  const byName = new Map(objects.map(object => [`${object.key}~${object.version}`, object]))
  const find = (key, version = firstVersion) => byName.get(`${key}~${version}`)
  const read = async (key, { version, range } = {}) => {
    const file = find(key, version)?.file
    if (file === undefined) return undefined
    const part = range === undefined ? file : file.slice(range.start, range.end)
    return Buffer.from(await part.arrayBuffer())
  }
  return {
    get: read,
    async head(key, version) {
      const found = find(key, version)
      return found && infoOf(found)
    },
    async *list(prefix, { after = '' } = {}) {
      for (const object of objects)
        if (object.key.startsWith(prefix) && object.key > after) yield infoOf(object)
    },
    async put() {
      throw new Error('This page writes nothing.')
    },
    checkpoint: {
      async read() {
        const bytes = await read(checkpointKey)
        return bytes && { bytes, tag: '' }
      },
      async replace() {
        throw new Error('This page writes nothing.')
      },
    },
    async [Symbol.asyncDispose]() {},
  }
}
