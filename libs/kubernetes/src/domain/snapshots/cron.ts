/** When a schedule is due, in UTC. `minute hour day-of-month month day-of-week`, with `*`, lists, ranges and steps. */
export interface Cron {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** As in cron: with both days given, either will do. */
  readonly eitherDay: boolean;
}

const FIELDS = [
  ['minute', 0, 59],
  ['hour', 0, 23],
  ['day of the month', 1, 31],
  ['month', 1, 12],
  ['day of the week', 0, 7],
] as const;
const NICKNAMES: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
};

const parseField = (text: string, [what, min, max]: (typeof FIELDS)[number]): ReadonlySet<number> | string => {
  const values = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^(\*|\d+(?:-\d+)?)(?:\/(\d+))?$/.exec(part);
    if (match === null) return `${what}: ${JSON.stringify(part)} is not *, a number, a range or a step`;
    const [, range, stepText] = match;
    const step = stepText === undefined ? 1 : Number(stepText);
    const [from, to = from] = range === '*' ? [min, max] : range!.split('-').map(Number);
    const last = stepText !== undefined && range !== '*' && !range!.includes('-') ? max : to!;
    if (from! < min || last > max || from! > last || step < 1)
      return `${what}: ${part} is not within ${min} and ${max}`;
    for (let value = from!; value <= last; value += step) values.add(what === 'day of the week' ? value % 7 : value);
  }
  return values;
};

/** The schedule, or what is wrong with it. */
export const parseCron = (text: string): Cron | string => {
  const fields = (NICKNAMES[text.trim()] ?? text).trim().split(/\s+/);
  if (fields.length !== 5) return 'a cron expression has five fields: minute hour day-of-month month day-of-week';
  const parsed = FIELDS.map((field, i) => parseField(fields[i]!, field));
  const wrong = parsed.find((field) => typeof field === 'string');
  if (typeof wrong === 'string') return wrong;
  const [minutes, hours, days, months, weekdays] = parsed as ReadonlySet<number>[];
  const eitherDay = fields[2] !== '*' && fields[4] !== '*';
  return { minutes: minutes!, hours: hours!, days: days!, months: months!, weekdays: weekdays!, eitherDay };
};

const MINUTE = 60_000;
const FOUR_YEARS = 4 * 366 * 24 * 60;

/** The first minute after `afterMs` that fits; undefined when none does within four years (the 31st of February). */
export const nextCron = (cron: Cron, afterMs: number): number | undefined => {
  let at = Math.floor(afterMs / MINUTE) * MINUTE + MINUTE;
  for (let i = 0; i < FOUR_YEARS; i++) {
    const date = new Date(at);
    const onDay = cron.days.has(date.getUTCDate());
    const onWeekday = cron.weekdays.has(date.getUTCDay());
    const dayFits = cron.eitherDay ? onDay || onWeekday : onDay && onWeekday;
    if (!cron.months.has(date.getUTCMonth() + 1) || !dayFits) {
      at = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() + 1);
      continue;
    }
    if (cron.hours.has(date.getUTCHours()) && cron.minutes.has(date.getUTCMinutes())) return at;
    at += MINUTE;
  }
  return undefined;
};
