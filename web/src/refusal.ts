/** What was asked for was refused. `status` is 0 where nobody answered at all. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    sentence: string,
  ) {
    super(sentence);
  }
}
