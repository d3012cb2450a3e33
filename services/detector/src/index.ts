export { classify, type Classification, type ContentEvent } from './classify.ts'
export { createDetector, type Detector, type DetectorOptions } from './detector.ts'
export { createAnomalyDetector, type AnomalyDetector } from './stats/anomaly.ts'
export { testRules, type FailedExample } from './rule-tests.ts'
export { loadRules, type RulePack } from './sigma/pack.ts'
export { createResponder, type ResponderOptions } from './response/responder.ts'
export { createFleetStage, type FleetStageOptions } from './fleet/stage.ts'
export { plansOf, responseSectionSchema } from './response/plan.ts'
export { compilePack, type RuleSource as RuleText } from './sigma/pack.ts'
export { backtestRules, type Backtest, type BacktestLine } from './backtest.ts'
export { explainRule, type Explanation } from './explain.ts'
export { createRuleSource, type RuleSource } from './rule-source.ts'
export { inspectArgument } from './content/argument.ts'
export { createReplay, type Replay } from './replay.ts'
export {
  createToolLabels,
  detectionSectionSchema,
  type DetectionSection,
  type ToolLabels,
} from './flow/labels.ts'
export type { Classifier, ClassifierText } from './classifier/classifier.ts'
export { openCommandClassifier, type CommandClassifierOptions } from './classifier/command.ts'
export { createClassifierStage, type ClassifierStageOptions } from './classifier/stage.ts'
