import type { Command } from 'commander';
import { print } from './output.js';

/** Adds `completion`, which prints a completion of all commands and options for bash; zsh reads it by bashcompinit. */
export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description(`print a completion for bash: eval "$(${program.name()} completion)"; in zsh after: bashcompinit`)
    .action(() => print(...script(program)));
}

function script(program: Command): string[] {
  const name = program.name();
  const words = (command: Command): string =>
    [...command.commands.map((sub) => sub.name()), ...command.options.flatMap(({ long }) => long ?? []), '--help'].join(
      ' ',
    );
  const complete = `_${name.replaceAll('-', '_')}`;
  return [
    `${complete}() {`,
    '  local words',
    '  case ${COMP_WORDS[1]} in',
    ...program.commands.map((command) => `    ${command.name()}) words='${words(command)}' ;;`),
    `    *) words='${words(program)}' ;;`,
    '  esac',
    `  ((COMP_CWORD > 1)) || words='${words(program)}'`,
    '  mapfile -t COMPREPLY < <(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")',
    '}',
    `complete -o default -F ${complete} ${name}`,
  ];
}
