import type { SoakValues } from '../../soak.js';

/** A whole number from the command line; anything else is refused by name. */
export const wholeNumber = (values: SoakValues, name: string, atLeast = 1): number => {
  const given = Number(values[name]);
  if (!Number.isInteger(given) || given < atLeast)
    throw new Error(`--${name} ${String(values[name])}: must be a whole number of at least ${atLeast}`);
  return given;
};

export const say = (text: string): void => void process.stderr.write(`${text}\n`);
