import { AppError } from '@muniment/schema'
import type { CliCommand } from '../command.ts'
import { argument } from '../options.ts'

/** Shells for which completion can be printed. */
const shells = ['bash', 'zsh', 'fish'] as const

type Shell = (typeof shells)[number]

interface Entry {
  readonly name: string
  readonly summary: string
}

const scripts: Readonly<Record<Shell, (entries: readonly Entry[]) => string>> = {
  bash: entries => `_muniment() {
  local word="\${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "${entries.map(({ name }) => name).join(' ')}" -- "$word"))
  elif [[ "$word" == -* ]]; then COMPREPLY=($(compgen -W "$(muniment "\${COMP_WORDS[1]}" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u)" -- "$word"))
  else COMPREPLY=($(compgen -f -- "$word")); fi
}
complete -F _muniment muniment`,
  zsh: entries => `#compdef muniment
_muniment() {
  local -a commands
  commands=(${entries.map(({ name, summary }) => `'${name}:${summary.replaceAll("'", '')}'`).join(' ')})
  if (( CURRENT == 2 )); then _describe command commands
  else compadd -- \${(f)"$(muniment \${words[2]} --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u)"}; _files; fi
}
compdef _muniment muniment`,
  fish: entries =>
    entries
      .map(
        ({ name, summary }) =>
          `complete -c muniment -n __fish_use_subcommand -f -a ${name} -d '${summary.replaceAll("'", '')}'`,
      )
      .join('\n'),
}

function isShell(text: string): text is Shell {
  return shells.some(shell => shell === text)
}

/** Prints the completion script of a shell. */
export function completionCommand(entries: () => readonly Entry[]): CliCommand {
  return {
    name: 'completion',
    summary: 'Print a completion script for bash, zsh or fish',
    examples: [
      ['source <(muniment completion bash)', 'complete in this shell'],
      ['muniment completion fish > ~/.config/fish/completions/muniment.fish', 'complete from now on'],
    ],
    configure: command => command.argument('<shell>', shells.join(', ')),
    run: async ({ args, printer }) => {
      const shell = argument(args, 0, 'shell')
      if (!isShell(shell))
        throw new AppError('INVALID_INPUT', `No completion for "${shell}"; there is: ${shells.join(', ')}.`)
      printer.out(scripts[shell](entries()))
      return 0
    },
  }
}
