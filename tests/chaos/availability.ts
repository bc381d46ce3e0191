/** How long writes stood still, from the times of the successful ones. Pure. */

/** From one time to another, in microseconds. */
export interface Span {
  readonly fromUs: number;
  readonly toUs: number;
}

/**
 * The longest part of a time in which nothing was written.
 * @param excused disjoint times, in order, in which nobody expects a write: they end a silence and begin another one
 */
export function longestSilence(writesUs: readonly number[], whole: Span, excused: readonly Span[] = []): Span {
  const breaks: Span[] = [
    ...writesUs.filter((atUs) => atUs >= whole.fromUs && atUs <= whole.toUs).map((atUs) => ({ fromUs: atUs, toUs: atUs })),
    ...excused,
    { fromUs: whole.toUs, toUs: whole.toUs },
  ].sort((left, right) => left.fromUs - right.fromUs);
  let longest: Span = { fromUs: whole.fromUs, toUs: whole.fromUs };
  let sinceUs = whole.fromUs;
  for (const { fromUs, toUs } of breaks) {
    if (fromUs - sinceUs > longest.toUs - longest.fromUs) longest = { fromUs: sinceUs, toUs: fromUs };
    sinceUs = Math.max(sinceUs, toUs);
  }
  return longest;
}
