import { ApiError, type KubernetesApi } from "./kubernetes-api.ts";
import type { KubernetesObject } from "./objects.ts";

const AGAIN_MS = 250;
const GONE = 410;

/** Sees each object as it is now; `undefined`: it is no more. */
export type OnChange<Item> = (key: string, item: Item | undefined) => void;

/**
 * All objects of a collection as they are now. It lists them, watches from that version on, resumes
 * a watch that ends, and lists anew where the server no longer knows the version (410), so that
 * nothing is missed and what was deleted meanwhile is told as deleted.
 */
export class Watched<Item extends KubernetesObject> {
  readonly items = new Map<string, Item>();
  readonly #api: KubernetesApi;
  readonly #path: string;
  readonly #onChange: OnChange<Item>;
  readonly #end = new AbortController();
  #version: string | undefined;
  #ended: Promise<void> = Promise.resolve();

  private constructor(api: KubernetesApi, path: string, onChange: OnChange<Item>) {
    this.#api = api;
    this.#path = path;
    this.#onChange = onChange;
  }

  /** Resolves when what is there already has been told. */
  static async open<Item extends KubernetesObject>(
    api: KubernetesApi,
    path: string,
    onChange: OnChange<Item> = () => undefined,
  ): Promise<Watched<Item>> {
    const watched = new Watched<Item>(api, path, onChange);
    await watched.#list();
    watched.#ended = watched.#follow();
    return watched;
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#ended;
  }

  async #list(): Promise<void> {
    const { items, metadata } = await this.#api.list<Item>(this.#path);
    const present = new Map(items.map((item) => [keyOf(item), item]));
    for (const key of this.items.keys()) if (!present.has(key)) this.#set(key, undefined);
    for (const [key, item] of present) this.#set(key, item);
    this.#version = metadata.resourceVersion;
  }

  async #follow(): Promise<void> {
    while (!this.#end.signal.aborted) {
      try {
        if (this.#version === undefined) await this.#list();
        else await this.#watch(this.#version);
      } catch (error) {
        if (error instanceof ApiError && error.status === GONE) this.#version = undefined;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  async #watch(resourceVersion: string): Promise<void> {
    const { signal } = this.#end;
    const events = this.#api.watch<Item>(this.#path, { resourceVersion, signal });
    for await (const { type, object } of events) {
      if (type === "ERROR") {
        const { code = 0, message = "" } = object as { code?: number; message?: string };
        throw new ApiError(code, this.#path, message);
      }
      this.#version = object.metadata.resourceVersion ?? this.#version;
      if (type === "BOOKMARK") continue;
      this.#set(keyOf(object), type === "DELETED" ? undefined : object);
    }
  }

  #set(key: string, item: Item | undefined): void {
    if (item === undefined) this.items.delete(key);
    else this.items.set(key, item);
    this.#onChange(key, item);
  }
}

/** A name may come again for another object: the uid tells them apart. */
export function keyOf({ metadata: { uid = "" } }: KubernetesObject): string {
  return uid;
}
