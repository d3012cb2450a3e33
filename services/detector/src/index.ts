export { classify, type Classification, type ContentEvent } from './classify.ts'
export { createDetector, type Detector, type DetectorOptions } from './detector.ts'
export { testRules, type FailedExample } from './rule-tests.ts'
export { loadRules, type RulePack } from './sigma/pack.ts'
