/** A product that runs in this checkout, as its `npm start` announces it. */
export interface RunningProduct {
  readonly pid: number;
  readonly startedAtMs: number;
  readonly dataFolder: string;
  /** Written when everything serves. */
  readonly readyFile: string;
}

export declare function announceProduct(product: {
  readonly dataFolder: string;
  readonly readyFile: string;
  readonly startedAtMs: number;
  /** Another place for the files: for tests. */
  readonly folder?: string;
}): () => void;

export declare function runningProducts(options?: {
  readonly dataFolder?: string;
  readonly folder?: string;
}): RunningProduct[];
