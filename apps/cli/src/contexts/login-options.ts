import { CliError } from '../errors.js';

export interface LoginOptions {
  /** From stdin; otherwise somebody logs in with a browser. */
  readonly fromStdin: boolean;
  readonly browser: boolean;
  /** The browser is on another machine, and a code is entered there. */
  readonly device: boolean;
  readonly port: number;
  /** What is no option. */
  readonly rest: readonly string[];
}

const portOf = (text: string | undefined): number => {
  const port = Number(text);
  if (text !== undefined && /^\d{1,5}$/.test(text) && port > 0 && port <= 65_535) return port;
  throw new CliError(`--callback-port ${text ?? ''}`.trim(), 'it is no port', '--callback-port 8400', 2);
};

export const loginOptions = (words: readonly string[]): LoginOptions => {
  const rest: string[] = [];
  let [fromStdin, browser, device, port] = [false, true, false, 0];
  for (let i = 0; i < words.length; i++) {
    const [word, inline] = words[i]!.split(/=(.*)/s);
    if (word === '--token-stdin') fromStdin = true;
    else if (word === '--no-browser') browser = false;
    else if (word === '--device') device = true;
    else if (word === '--callback-port') port = portOf(inline ?? words[++i]);
    else rest.push(words[i]!);
  }
  return { fromStdin, browser, device, port, rest };
};
