/** An edge as the balancer sees it. */
export interface Place {
  readonly ws: string;
  open: number;
}

/**
 * Sends whoever comes to the edge with the fewest connections, as `leastconn` of HAProxy and `least_conn`
 * of nginx do. It stands in the client instead of between, so that no byte is paid for twice.
 */
export class Balancer {
  readonly #places: Place[] = [];

  constructor(edges: readonly { readonly ws: string }[] = []) {
    for (const { ws } of edges) this.add(ws);
  }

  /** Newcomers may be sent there. */
  add(ws: string): void {
    this.#places.push({ ws, open: 0 });
  }

  /** Before an edge is stopped, as a roll does it: nobody is sent there any more. */
  remove(ws: string): void {
    const index = this.#places.findIndex((place) => place.ws === ws);
    if (index >= 0) this.#places.splice(index, 1);
  }

  /** For a connection that is opened now; it ends with `leave`. */
  enter(): Place {
    const [first, ...others] = this.#places;
    if (first === undefined) throw new Error("there is no edge to connect to");
    const emptiest = others.reduce((best, place) => (place.open < best.open ? place : best), first);
    emptiest.open += 1;
    return emptiest;
  }

  leave(place: Place): void {
    place.open -= 1;
  }

  /** Connections by edge, in the order in which they were added. */
  get counts(): number[] {
    return this.#places.map(({ open }) => open);
  }

  openAt(ws: string): number {
    return this.#places.find((place) => place.ws === ws)?.open ?? 0;
  }
}
