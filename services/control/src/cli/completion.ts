import type { Command } from "commander";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** The words that may follow a path of commands, such as `plan drain`. */
interface Place {
  readonly path: readonly string[];
  readonly words: readonly { readonly word: string; readonly meaning: string }[];
}

/** Made from the commands themselves, so that it never lags behind them. */
export function completionScript(shell: Shell, program: Command): string {
  const places = placesOf(program, [], globalWords(program));
  if (shell === "bash") return bashScript(places);
  return shell === "zsh" ? zshScript(places) : fishScript(places);
}

function placesOf(command: Command, path: readonly string[], globals: Place["words"]): Place[] {
  const commands = command.commands.map((child) => ({
    word: child.name(),
    meaning: child.description(),
  }));
  const choices = command.registeredArguments.flatMap(({ argChoices = [] }) =>
    argChoices.map((word) => ({ word, meaning: "" })),
  );
  const own = path.length === 0 ? [] : optionWords(command);
  const place = { path, words: [...commands, ...choices, ...own, ...globals] };
  const below = command.commands.flatMap((child) =>
    placesOf(child, [...path, child.name()], globals),
  );
  return [place, ...below];
}

function globalWords(program: Command): Place["words"] {
  return [...optionWords(program), { word: "--help", meaning: "what it does, with examples" }];
}

function optionWords({ options }: Command): Place["words"] {
  return options.map(({ long, flags, description }) => ({
    word: long ?? flags,
    meaning: description,
  }));
}

/**
 * The path is what was typed so far without options: the longest one that is known counts, for
 * arguments follow it.
 */
function bashScript(places: readonly Place[]): string {
  const cases = places.map(
    ({ path, words }) =>
      `    ${quoted(path.join(" "))}) words=${quoted(words.map(({ word }) => word).join(" "))} ;;`,
  );
  return `# Completion of millrace for bash: source <(npx millrace completion bash)
_millrace_words() {
  local words=''
  case "$1" in
${cases.join("\n")}
    *) return 1 ;;
  esac
  printf '%s' "$words"
}
_millrace() {
  local path='' longer word index found
  local known
  known="$(_millrace_words '')"
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    [[ "$word" == -* ]] && continue
    longer="\${path:+$path }$word"
    found="$(_millrace_words "$longer")" && path="$longer" && known="$found"
  done
  COMPREPLY=($(compgen -W "$known" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _millrace millrace
`;
}

function zshScript(places: readonly Place[]): string {
  const cases = places.map(({ path, words }) => {
    const items = words.map(({ word, meaning }) =>
      quoted(`${word.replaceAll(":", String.raw`\:`)}:${meaning}`),
    );
    return `    ${quoted(path.join(" "))}) reply=(${items.join(" ")}) ;;`;
  });
  return `#compdef millrace
# Completion of millrace for zsh: a file _millrace in a folder of $fpath.
_millrace_words() {
  case "$1" in
${cases.join("\n")}
    *) return 1 ;;
  esac
}
_millrace() {
  local path_so_far='' longer word index
  local -a reply known
  _millrace_words '' && known=("\${reply[@]}")
  for ((index = 2; index < CURRENT; index++)); do
    word="\${words[index]}"
    [[ "$word" == -* ]] && continue
    longer="\${path_so_far:+$path_so_far }$word"
    _millrace_words "$longer" && path_so_far="$longer" && known=("\${reply[@]}")
  done
  _describe 'millrace' known
}
compdef _millrace millrace
`;
}

function fishScript(places: readonly Place[]): string {
  const cases = places.flatMap(({ path, words }) => [
    `        case ${quoted(path.join(" "))}`,
    ...words.map(
      ({ word, meaning }) => `            printf '%s\\t%s\\n' ${quoted(word)} ${quoted(meaning)}`,
    ),
  ]);
  return `# Completion of millrace for fish: a file in ~/.config/fish/completions.
function __millrace_words
    switch "$argv[1]"
${cases.join("\n")}
        case '*'
            return 1
    end
end
function __millrace_complete
    set -l path ''
    for word in (commandline -opc)[2..]
        string match -q -- '-*' $word; and continue
        set -l longer (string trim -- "$path $word")
        __millrace_words $longer >/dev/null; and set path $longer
    end
    __millrace_words "$path"
end
complete -c millrace -f -a '(__millrace_complete)'
`;
}

/** As one word of a shell, all three of them. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
