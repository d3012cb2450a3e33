import { describe } from 'vitest'
import { openEmbedded } from './embedded.ts'
import { pipelineCases } from './pipeline.ts'

describe('the pipeline in one process, on a folder', () => {
  pipelineCases(openEmbedded)
})
