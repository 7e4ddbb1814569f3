import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { readTokenFile } from './token-file.js';

type Stdin = NodeJS.ReadableStream & { readonly isTTY?: boolean };

const firstLine = async (lines: AsyncIterable<string>): Promise<string> => {
  for await (const line of lines) return line.trim();
  return '';
};

/** What somebody types, without showing it; on a pipe its first line. */
export const readSecret = async (stdin: Stdin, question: string, tell: (text: string) => void): Promise<string> => {
  if (stdin.isTTY !== true) return firstLine(createInterface({ input: stdin }));
  tell(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: nowhere, terminal: true });
  try {
    return await firstLine(lines);
  } finally {
    lines.close();
  }
};

/** A secret of one line from a file, or `-` for stdin. */
export const secretIn = async (file: string, stdin: Stdin): Promise<string> =>
  file === '-' ? firstLine(createInterface({ input: stdin })) : readTokenFile(file);
