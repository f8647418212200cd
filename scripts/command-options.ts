/**
 * The options of a command line that `read` makes of it. Where they are wrong, what is wrong with them
 * is told and the process ends with exit code 2; where only the usage was asked for (undefined), it is
 * told, with 0.
 */
export function commandOptions<Options>(
  read: (args: readonly string[]) => Options | undefined,
  usage: string,
): Options {
  let options: Options | undefined;
  try {
    options = read(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
  if (options !== undefined) return options;
  console.log(usage);
  process.exit(0);
}
