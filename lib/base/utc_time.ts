/** Times as text, without the time zone of anybody. Pure. */

const DAY_SECONDS = 86400;
/** Days from 1 March of year 0 to 1970, and in 400 years. */
const EPOCH_DAYS = 719468;
const ERA_DAYS = 146097;

/**
 * A second since 1970 as text; years have four digits.
 * @example utcText(1790000000) // "2026-09-21T14:13:20Z"
 */
export function utcText(second: number): string {
  const days = Math.floor(second / DAY_SECONDS) + EPOCH_DAYS;
  // Years begin in March here, so that the day of a leap year is the last one.
  const era = Math.floor(days / ERA_DAYS);
  const dayOfEra = days - era * ERA_DAYS;
  const leaps = Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36524) + Math.floor(dayOfEra / 146096);
  const yearOfEra = Math.floor((dayOfEra - leaps) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const march = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * march + 2) / 5) + 1;
  const month = march < 10 ? march + 3 : march - 9;
  const year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0);
  const time = second - (days - EPOCH_DAYS) * DAY_SECONDS;
  const clock = [Math.floor(time / 3600), Math.floor((time % 3600) / 60), time % 60].map((value) => digits(value, 2));
  return `${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}T${clock.join(":")}Z`;
}

function digits(value: number, count: number): string {
  return String(value).padStart(count, "0");
}
