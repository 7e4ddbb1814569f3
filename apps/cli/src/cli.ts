import type { Settings } from './settings.js';

/** One command's surroundings. */
export interface Cli {
  readonly settings: Settings;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Resolves when the reader has taken it. */
  readonly out: (text: string) => Promise<void> | void;
  /** For what is no answer: progress, hints. */
  readonly progress: (text: string) => void;
  /** Whether a person reads the output. */
  readonly terminal: boolean;
  /** Ctrl-C. */
  readonly end: AbortSignal;
}
