/** What a process of simulated members is asked. */
export type MemberCommand =
  | { readonly name: "open"; readonly plan: MemberPlan }
  | { readonly name: "join"; readonly members: readonly MemberWish[] }
  | { readonly name: "leave"; readonly edge: string }
  /** Answered with what each of its members owns. */
  | { readonly name: "owned" };

export interface MemberPlan {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly partitions: number;
}

export interface MemberWish {
  readonly edge: string;
  readonly weight: number;
}

export type Owned = readonly (readonly [edge: string, partitions: readonly number[]])[];
