import { readFileSync } from 'node:fs';
import { CliError } from './errors.js';

/** Everybody on the machine reads the list of processes, shells keep a history, and CI systems log command lines. */
export const refuseTokenOnCommandLine = (): never => {
  throw new CliError(
    '--token is not taken',
    'everybody who lists the processes of this machine would see the token',
    '--token-file FILE (- for stdin), DROVER_TOKEN, DROVER_TOKEN_FILE, or drover login',
    2,
  );
};

/** One token from a file; `-` is stdin. */
export const readTokenFile = (file: string): string => {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new CliError(`cannot read the token in ${file}`, (error as Error).message, '--token-file FILE', 4);
  }
  const token = text.trim();
  if (token !== '' && !/\s/.test(token)) return token;
  throw new CliError(`${file} holds no token`, 'it has one line with nothing but the token', '--token-file FILE', 4);
};
