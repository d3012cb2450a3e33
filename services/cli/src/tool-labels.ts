import { readSection, type Config } from '@muniment/runtime'
import type { DetectionSection, ToolLabels } from '@muniment/detector'

/** The section `detection` of `muniment.yaml`; empty where there is none. */
export async function detectionOf({ sections: { detection } }: Config): Promise<DetectionSection> {
  const { detectionSectionSchema } = await import('@muniment/detector')
  return detection === undefined ? {} : readSection(detection, detectionSectionSchema)
}

/** What tools do to a flow of data, as the section `detection` says, else as their names tell. */
export async function toolLabelsOf(config: Config): Promise<ToolLabels> {
  const { createToolLabels } = await import('@muniment/detector')
  return createToolLabels(await detectionOf(config))
}
