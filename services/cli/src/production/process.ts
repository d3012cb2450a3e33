import { verdicts, type Check, type Facts, type Finding } from './finding.ts'

const ownerOnly = 0o077

function umask({ umask: mask }: Facts): readonly Finding[] {
  const { fine, must } = verdicts('umask')
  const shown = mask.toString(8).padStart(3, '0')
  if ((mask & ownerOnly) === ownerOnly) return [fine(`is ${shown}: what is written is its owner’s only`)]
  return [
    must(
      `is ${shown}: others could read what is written.`,
      'Start it through `muniment`, or under umask 077.',
    ),
  ]
}

function user({ uid }: Facts): readonly Finding[] {
  const { fine, must } = verdicts('user')
  if (uid !== 0) return [fine(uid === undefined ? 'has no number here' : `is ${uid}, not root`)]
  return [must('is root: a fault in any part has the whole machine.', 'Run it as a user of its own.')]
}

/** How this process runs. */
export const processChecks: readonly Check[] = [umask, user]
