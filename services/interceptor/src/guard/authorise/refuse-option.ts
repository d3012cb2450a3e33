import { AppError } from '@muniment/schema'

/** `CONFIG_INVALID` for an option of `authorise()`, which is the section `guard.authorise` of `muniment.yaml` too. */
export function refuseOption(
  option: string,
  problem: string,
  hint = 'See “Authorise” in the documents of the guard.',
): AppError {
  return new AppError('CONFIG_INVALID', `guard.authorise${option === '' ? '' : `.${option}`} ${problem}`, {
    hint,
    details: { setting: `guard.authorise.${option}` },
  })
}
