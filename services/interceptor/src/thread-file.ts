/** Where the program of a thread lies: sources and compiled files have different names. */
export function threadFile(name: 'main-kafka' | 'main-pack'): URL {
  const [, ending = 'js'] = /\.(\w+)$/u.exec(import.meta.url) ?? []
  return new URL(`./${name}.${ending}`, import.meta.url)
}
