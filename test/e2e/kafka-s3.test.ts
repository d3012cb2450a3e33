import { describeLanes } from '../lanes/lanes.ts'
import { pipelineCases } from './pipeline.ts'
import { openProduction } from './production.ts'

describeLanes(
  ['kafka', 's3', 'secrets'],
  'the pipeline on Kafka, S3 and Secrets Manager, each worker a process',
  () => {
    pipelineCases(openProduction)
  },
)
