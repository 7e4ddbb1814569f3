import { isoTime, refusal, type Refusal } from '#kernel';

const FORM =
  /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9}))?)?)?\s*([Zz]|[+-]\d{2}(?::?\d{2})?)?$/;

/** Clocks of caller and platform may differ by this much; what lies further ahead is the future. */
const SKEW_MS = 1_000;

export type ReadTime =
  { readonly kind: 'time'; readonly ms: number } | { readonly kind: 'refused'; readonly refusal: Refusal };

/**
 * A moment as an operator writes it: ISO 8601 with a zone. Without one it could be any of 27 hours, so it is refused, and the
 * refusal shows the form that would have been taken.
 */
export const readTime = (text: string, nowMs: number, field = 'time'): ReadTime => {
  const refused = (code: string, message: string, hint: string): ReadTime => ({
    kind: 'refused',
    refusal: refusal(400, code, `${field}: ${message}`, {
      field,
      hint,
      candidates: [{ id: hint.replace('did you mean ', '').replace('?', '') }],
    }),
  });
  const match = FORM.exec(text.trim());
  if (match === null)
    return refused('invalid_time', `${JSON.stringify(text.slice(0, 60))} is no ISO 8601 time`, isoTime(nowMs));
  const [, date, hours = '00', minutes = '00', seconds = '00', fraction = '', zone] = match;
  const clock = `${hours}:${minutes}:${seconds}.${fraction.padEnd(3, '0').slice(0, 3)}`;
  const asUtc = Date.parse(`${date}T${clock}Z`);
  if (Number.isNaN(asUtc) || isoTime(asUtc) !== `${date}T${clock}Z`) {
    const near = nearestDate(date!, nowMs);
    return refused('invalid_time', `there is no ${date} ${hours}:${minutes}:${seconds}`, near);
  }
  if (zone === undefined)
    return refused('time_without_zone', 'the time names no zone', `did you mean ${isoTime(asUtc)}?`);
  const ms = asUtc - offsetMs(zone);
  if (ms > nowMs + SKEW_MS) return refused('time_in_future', `${isoTime(ms)} has not come yet`, isoTime(nowMs));
  return { kind: 'time', ms };
};

const offsetMs = (zone: string): number => {
  if (/^[Zz]$/.test(zone)) return 0;
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0');
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  return (zone.startsWith('-') ? -1 : 1) * minutes * 60_000;
};

/** The last day of that month when only the day is wrong, else now. */
const nearestDate = (date: string, nowMs: number): string => {
  const [year, month] = date.split('-').map(Number) as [number, number];
  return month >= 1 && month <= 12 ? isoTime(Date.UTC(year, month, 0)) : isoTime(nowMs);
};
