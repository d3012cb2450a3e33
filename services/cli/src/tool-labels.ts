import { readSection, type Config } from '@muniment/runtime'
import type { ToolLabels } from '@muniment/detector'

/** What tools do to a flow of data, as the section `detection` says, else as their names tell. */
export async function toolLabelsOf({ sections: { detection } }: Config): Promise<ToolLabels> {
  const { createToolLabels, detectionSectionSchema } = await import('@muniment/detector')
  return createToolLabels(detection === undefined ? {} : readSection(detection, detectionSectionSchema))
}
