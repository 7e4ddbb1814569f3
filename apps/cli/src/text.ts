const CODES = { bold: 1, red: 31, yellow: 33 } as const;
export type Colour = keyof typeof CODES;

export const paint = (colour: Colour | undefined, text: string, colours: boolean): string =>
  colour === undefined || !colours ? text : `\x1b[${CODES[colour]}m${text}\x1b[0m`;

/** As many columns as the terminal has; 100 where there is none. */
export const columns = (): number => Math.max(60, Math.min(process.stdout.columns ?? 100, 160));

export const hasColours = (): boolean => process.stdout.isTTY === true && process.env.NO_COLOR === undefined;

export const shortDuration = (ms: number): string => {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)}m ${two((ms % 60_000) / 1_000)}s`;
  return `${Math.floor(ms / 3_600_000)}h ${two((ms % 3_600_000) / 60_000)}m`;
};

/** Lines of at most so many columns, broken between words; a word that is longer is cut into pieces. */
export const wrap = (text: string, width: number): string[] => {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ').flatMap((one) => pieces(one, width))) {
    if (line === '') line = word;
    else if (line.length + 1 + word.length <= width) line += ` ${word}`;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line];
};

const pieces = (word: string, width: number): string[] => {
  const parts: string[] = [];
  for (let at = 0; at < word.length; at += width) parts.push(word.slice(at, at + width));
  return parts.length === 0 ? [''] : parts;
};
