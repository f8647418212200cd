import type { ControlCall, ControlCalls } from "./control-calls.ts";
import { confirm } from "./confirmation.ts";
import type { Invocation } from "./invocation.ts";
import { doneText, planText } from "./plan-text.ts";

/** What is waited for after a call; it says itself how far it is. */
export type Follow = (invocation: Invocation) => Promise<void>;

/** Looks at how things are before the call, and knows then what to wait for. */
export type Foresee = (control: ControlCalls) => Follow | Promise<Follow>;

/** One order: planned, confirmed where it is dangerous, done, and followed until it has come true. */
export async function giveOrder(
  invocation: Invocation,
  call: ControlCall,
  foresee?: Foresee,
): Promise<void> {
  const control = invocation.control();
  const isAsked = !(invocation.isJson && invocation.isConfirmed);
  if (isAsked) await confirm(invocation, await control.plan(call));
  const follow = await foresee?.(control);
  const done = await control.act(call);
  const text = (): string => doneText(done, invocation.layout);
  // People see at once that it was taken; a program gets one answer, when all is done.
  if (!invocation.isJson) invocation.answer(done, text);
  await follow?.(invocation);
  if (invocation.isJson) invocation.answer(done, text);
}

/** The same, and nothing is done. */
export async function planOrder(invocation: Invocation, call: ControlCall): Promise<void> {
  const plan = await invocation.control().plan(call);
  invocation.answer(plan, () => {
    const head = `${plan.action} would do this; nothing was done:`;
    return `${invocation.layout.paint("strong", head)}\n${planText(plan, invocation.layout)}`;
  });
}
