import type { FieldError } from '#libs/problem/problem.ts';

/** RFC 3339, with a zone: a time without one means something else in every place. */
const rfc3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](?:[01]\d|2[0-3]):\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** A time of a request, epoch ms; what is none is added to `broken`. */
export function toTime(field: string, value: string | undefined, broken: FieldError[]): number | null {
  if (value === undefined) return null;
  const [, year, month, day] = rfc3339.exec(value) ?? [];
  // `Date` takes the 30th of February for the 2nd of March.
  const lastDay = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  const at = Number(day) <= lastDay ? Date.parse(value.replace(' ', 'T').toUpperCase()) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  broken.push({ field, message: 'Must be a time with its zone, as in 2026-11-22T09:00:00Z.' });
  return null;
}
