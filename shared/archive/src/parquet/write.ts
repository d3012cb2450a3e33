import { selectFor } from './columns.ts'
import { engine, rowSources, type Row } from './engine.ts'

/** Sets of rows of one topic, each in the order of its offsets, as plain Parquet files that nobody else has seen. */
export async function writeParquet(
  topic: string,
  sets: readonly (readonly Row[])[],
): Promise<readonly Buffer[]> {
  const { toParquet } = await engine()
  const hasBodies = sets.some(rows => rows.some(({ bodies }) => bodies !== undefined))
  const select = hasBodies
    ? selectFor(topic, rowSources.withBodies, ['bodies'])
    : selectFor(topic, rowSources.plain, [])
  return toParquet(sets, select)
}
