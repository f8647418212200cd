import { commandOptions } from "./command-options.ts";
import { USAGE, readCrossoverOptions } from "./crossover/crossover-options.ts";
import { crossoverText } from "./crossover/crossover-text.ts";
import { crossover } from "./crossover/crossover.ts";

const { load, costs, isJson } = commandOptions(readCrossoverOptions, USAGE);
const answer = crossover(load, costs);
console.log(isJson ? JSON.stringify({ ...load, ...answer, costs }) : crossoverText(load, answer));
