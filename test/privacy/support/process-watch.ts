import { readdirSync, readFileSync } from 'node:fs';
import type { Place } from './hunt.js';

const EVERY_MS = 100;

const read = (path: string): string => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // ended meanwhile, or somebody else's
  }
};

/**
 * What `ps` would have shown to other users of the machine while the run lasted: arguments and environment of every process
 * that could be read, each distinct one once.
 */
export class ProcessWatch {
  private readonly seen = new Map<string, string>();
  private readonly timer: NodeJS.Timeout;

  constructor() {
    this.look();
    // A run that fails is not held up by whoever looks on.
    this.timer = setInterval(() => this.look(), EVERY_MS).unref();
  }

  stop(): Place[] {
    clearInterval(this.timer);
    this.look();
    return [...this.seen].map(([content, name]) => ({ name, content: Buffer.from(content, 'latin1') }));
  }

  private look(): void {
    for (const pid of readdirSync('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      const argv = read(`/proc/${pid}/cmdline`);
      const words = argv.split('\0').filter((word) => word !== '');
      const called = words
        .slice(0, 4)
        .map((word) => word.split('/').slice(-3).join('/'))
        .join(' ');
      for (const what of ['cmdline', 'environ'] as const) {
        const content = what === 'cmdline' ? argv : read(`/proc/${pid}/environ`);
        if (content !== '') this.seen.set(content, `${what} of ${called}`);
      }
    }
  }
}
