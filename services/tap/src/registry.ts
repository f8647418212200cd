import { type Answer, ok, refusals, text } from "./answer.ts";
import { meaningOf } from "./schema-meaning.ts";

/** The schemas of one topic's values, oldest first. */
export interface TopicSchemas {
  readonly topic: string;
  readonly versions: readonly {
    readonly version: number;
    readonly id: number;
    readonly schema: unknown;
  }[];
}

interface Registered {
  readonly subject: string;
  readonly version: number;
  readonly id: number;
  /** As JSON, in one line. */
  readonly schema: string;
  readonly meaning: string;
}

/** How the schemas evolve is checked by the project's own tests, against every earlier version. */
const COMPATIBILITY = "FULL_TRANSITIVE";
const MODE = "READONLY";

/** The default context of the registry's newer clients, written in front of a subject. */
const DEFAULT_CONTEXT = /^:\.:/;

const VERSION_MAX = 2 ** 31 - 1;

/**
 * The schema files as a Confluent schema registry has them, to be read only. Subjects follow its
 * TopicNameStrategy. What an id means is fixed in the repository, so this process holds no state:
 * any number of them say the same, and one that is away takes nothing with it.
 */
export class Registry {
  readonly #subjects: ReadonlyMap<string, readonly Registered[]>;

  constructor(topics: readonly TopicSchemas[]) {
    this.#subjects = new Map(
      topics.map(({ topic, versions }) => {
        const subject = `${topic}-value`;
        return [subject, versions.map((version) => registered(subject, version))];
      }),
    );
  }

  subjects(prefix = ""): Answer {
    return ok([...this.#subjects.keys()].filter((subject) => subject.startsWith(plain(prefix))));
  }

  schemaById(id: number): Answer {
    return this.#withId(id, ([first]) => ok({ schema: first.schema }));
  }

  schemaTextById(id: number): Answer {
    return this.#withId(id, ([first]) => text(first.schema));
  }

  versionsOfId(id: number): Answer {
    return this.#withId(id, (all) => ok(all.map(({ subject, version }) => ({ subject, version }))));
  }

  subjectsOfId(id: number): Answer {
    return this.#withId(id, (all) => ok(all.map(({ subject }) => subject)));
  }

  versions(subject: string): Answer {
    return this.#ofSubject(subject, (all) => ok(all.map(({ version }) => version)));
  }

  version(subject: string, version: string): Answer {
    return this.#ofVersion(subject, version, (one) => ok(shown(one)));
  }

  schemaText(subject: string, version: string): Answer {
    return this.#ofVersion(subject, version, ({ schema }) => text(schema));
  }

  /** Finds a registered schema by its text; registers nothing. */
  lookup(subject: string, schema: unknown): Answer {
    return this.#ofSubject(subject, (all) => {
      const meaning = meaningOf(schema);
      const found = all.findLast((one) => one.meaning === meaning);
      return found === undefined ? refusals.unknownSchema() : ok(shown(found));
    });
  }

  config(subject?: string): Answer {
    const answer = ok({ compatibilityLevel: COMPATIBILITY });
    return subject === undefined ? answer : this.#ofSubject(subject, () => answer);
  }

  mode(subject?: string): Answer {
    const answer = ok({ mode: MODE });
    return subject === undefined ? answer : this.#ofSubject(subject, () => answer);
  }

  #withId(id: number, answer: (all: readonly [Registered, ...Registered[]]) => Answer): Answer {
    const everything = [...this.#subjects.values()].flat();
    const [first, ...others] = everything.filter((one) => one.id === id);
    return first === undefined ? refusals.unknownSchema(id) : answer([first, ...others]);
  }

  #ofSubject(subject: string, answer: (all: readonly Registered[]) => Answer): Answer {
    const name = plain(subject);
    const all = this.#subjects.get(name);
    return all === undefined ? refusals.unknownSubject(name) : answer(all);
  }

  #ofVersion(subject: string, version: string, answer: (one: Registered) => Answer): Answer {
    return this.#ofSubject(subject, (all) => {
      const wanted = version === "latest" || version === "-1" ? all.length : wholeNumber(version);
      if (wanted === undefined) return refusals.badVersion(version);
      const found = all.find((one) => one.version === wanted);
      return found === undefined ? refusals.unknownVersion(wanted) : answer(found);
    });
  }
}

function registered(subject: string, entry: TopicSchemas["versions"][number]): Registered {
  const { version, id, schema } = entry;
  return { subject, version, id, schema: JSON.stringify(schema), meaning: meaningOf(schema) };
}

function shown({ subject, version, id, schema }: Registered): unknown {
  return { subject, version, id, schema };
}

function plain(subject: string): string {
  return subject.replace(DEFAULT_CONTEXT, "");
}

function wholeNumber(version: string): number | undefined {
  const value = Number(version);
  return /^\d{1,10}$/.test(version) && value >= 1 && value <= VERSION_MAX ? value : undefined;
}
