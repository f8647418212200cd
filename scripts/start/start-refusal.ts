/** Something a user can put right; the message alone says what, and is shown without a stack. */
export class StartRefusal extends Error {
  override readonly name = "StartRefusal";
}
