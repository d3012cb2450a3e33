import { isAbsolute, join } from 'node:path'
import { rolldown } from 'rolldown'

/**
 * Packages whose tarball holds one file per door instead of one per source: of the time such a package takes to load, finding and
 * opening its many small files is half.
 */
export const bundledPackages: readonly string[] = ['pii']

/** Writes the doors of a package, each from its source with all it needs of the package itself, as JavaScript into a folder. */
export async function bundle(doors: readonly string[], into: string): Promise<void> {
  const build = await rolldown({
    input: [...doors],
    platform: 'node',
    external: id => !id.startsWith('.') && !isAbsolute(id),
    onLog(_level, { message }) {
      throw new Error(message)
    },
  })
  await build.write({ dir: into, format: 'esm', sourcemap: true, chunkFileNames: join('parts', '[name].js') })
  await build.close()
}
