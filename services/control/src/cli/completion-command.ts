import { Argument, type Command } from "commander";
import { SHELLS, type Shell, completionScript } from "./completion.ts";
import type { Surroundings } from "./surroundings.ts";

export function addCompletion(program: Command, { stdout }: Surroundings): void {
  program
    .command("completion")
    .description("a script that completes commands and options in your shell")
    .addArgument(new Argument("<shell>", "which shell").choices(SHELLS))
    .addHelpText(
      "after",
      `\nExamples:
  $ source <(npx millrace completion bash); alias millrace='npx millrace'
  $ npx millrace completion zsh > ~/.zsh/completions/_millrace
  $ npx millrace completion fish > ~/.config/fish/completions/millrace.fish`,
    )
    .action((shell: Shell) => void stdout.write(completionScript(shell, program)));
}
