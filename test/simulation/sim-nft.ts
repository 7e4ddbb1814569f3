import type { Random } from '#kernel';
import type { Piped, PipedHandlers, Processes, RunResult } from '../../agent/src/ports.js';
import type { SimClock, Zone } from './sim-clock.js';

export interface NftOptions {
  readonly clock: SimClock;
  readonly random: Random;
  /** What a line takes at most. */
  lineMs(): number;
  /** How often nft dies after it has carried out a line, before it says so. */
  deaths(): number;
  /** A kernel that takes a line of which the token has run out. */
  readonly careless: boolean;
}

type Elements = Map<string, number>;
interface Kernel {
  there: boolean;
  /** By address: the set that lets it pass; for what comes in and for what goes out. */
  readonly rules: { readonly input: Map<string, string>; readonly output: Map<string, string> };
  readonly sets: Map<string, Elements>;
}

const blank = (): Kernel => ({ there: false, rules: { input: new Map(), output: new Map() }, sets: new Map() });
const copy = ({ there, rules, sets }: Kernel): Kernel => ({
  there,
  rules: { input: new Map(rules.input), output: new Map(rules.output) },
  sets: new Map([...sets].map(([name, elements]) => [name, new Map(elements)])),
});

class Refused extends Error {}

/** Statements of a line; a semicolon between braces is part of one. */
const statements = (line: string): string[] => line.split(/;(?![^{]*\})/).map((one) => one.trim());
const ELEMENT = /^(add|delete) element inet \S+ (\S+) \{ (\S+)(?: timeout (\d+)ms)? \}$/;
const RULE = /^add rule inet \S+ (input|output) ip6? [ds]addr (\S+) ip6? [ds]addr != @(\S+) counter drop$/;
const SET = /^(add|delete|flush) set inet \S+ (\S+)/;

/**
 * nftables of one machine, as far as leases use it, and the nft that carries lines to it: slowly, long after they were written
 * where it hangs, also after it was killed, and without a word where it dies. It outlives the agent.
 */
export class SimNft {
  private kernel = blank();
  private hangs: { skip: number; forMs: number } | undefined;
  private hungUntil = 0;

  constructor(private readonly o: NftOptions) {}

  /** Whether packets to the address are let in, and its answers out. */
  passes(address: string): boolean {
    const { rules, sets } = this.kernel;
    return [rules.input, rules.output].every((hook) => {
      const set = hook.get(address);
      return set === undefined || (sets.get(set)?.get(address) ?? -Infinity) > this.o.clock.now;
    });
  }

  /** The line after the next `skip` is carried out only `forMs` after it was written, and so is what follows it. */
  hang(skip: number, forMs: number): void {
    this.hangs = { skip, forMs };
  }

  portFor(zone: Zone): Pick<Processes, 'run' | 'openPipe'> {
    return {
      run: (_command, _args, script, limitMs) => this.run(zone, script ?? '', limitMs ?? 30_000),
      openPipe: (_command, _args, handlers) => this.shell(zone, handlers),
    };
  }

  private run(zone: Zone, script: string, limitMs: number): Promise<RunResult> {
    const { clock, random } = this.o;
    const at = this.when(clock.now, 3);
    const inTime = at <= clock.now + limitMs;
    return new Promise((resolve) => {
      if (!inTime) zone.after(limitMs, () => resolve({ code: null, stdout: '', stderr: 'killed' }));
      // Killed in the middle of a system call it carries that out all the same.
      if (!inTime && random.unit() < 0.5) return;
      clock.schedule(at, () => {
        const said = this.carryOut(script);
        if (inTime) zone.after(0.2, () => resolve({ code: said === '' ? 0 : 1, stdout: '', stderr: said }));
      });
    });
  }

  private shell(zone: Zone, handlers: PipedHandlers): Piped {
    const { clock, random } = this.o;
    let last = clock.now + 1;
    let killed = false;
    let pending = 0;
    const die = (reason: string): void => {
      if (killed) return;
      killed = true;
      zone.after(0.2, () => handlers.onEnd(reason));
    };
    const write = (text: string): void => {
      if (killed) return;
      const [line, marker] = text.split('\n') as [string, string];
      last = this.when(Math.max(last, clock.now), 0.2);
      const isFirst = pending++ === 0;
      const survives = random.unit() < 0.5;
      clock.schedule(last, () => {
        pending--;
        if (killed && !(isFirst && survives)) return;
        const said = this.carryOut(line);
        if (killed) return;
        if (random.unit() < this.o.deaths()) return die('ended with SIGKILL');
        zone.after(0.2, () => {
          if (!killed) handlers.onStderr(`${said}Error: syntax error, unexpected string\n${marker}\n^^^^^^\n`);
        });
      });
    };
    return { write, kill: () => die('ended with SIGKILL') };
  }

  private when(from: number, leastMs: number): number {
    const { clock, random } = this.o;
    if (this.hangs !== undefined && this.hangs.skip-- <= 0) {
      this.hungUntil = clock.now + this.hangs.forMs;
      this.hangs = undefined;
    }
    return Math.max(from + leastMs + random.unit() ** 3 * this.o.lineMs(), this.hungUntil);
  }

  /** One transaction; what nft says of it, which is nothing where it is carried out. */
  private carryOut(text: string): string {
    const next = copy(this.kernel);
    try {
      for (const line of text.split('\n'))
        for (const one of statements(line)) if (one !== '') this.statement(next, one);
    } catch (error) {
      if (error instanceof Refused) return `Error: Could not process rule: ${error.message}\n`;
      throw error;
    }
    this.kernel = next;
    return '';
  }

  private statement(kernel: Kernel, one: string): void {
    if (one.startsWith('delete table')) return void Object.assign(kernel, blank());
    if (one.startsWith('add table')) return void (kernel.there = true);
    if (!kernel.there) throw new Refused('No such file or directory');
    if (one.startsWith('add chain')) return;
    if (one.startsWith('flush chain')) return kernel.rules[one.endsWith('input') ? 'input' : 'output'].clear();
    const rule = RULE.exec(one);
    if (rule !== null) return void kernel.rules[rule[1] as 'input' | 'output'].set(rule[2]!, rule[3]!);
    const element = ELEMENT.exec(one);
    if (element !== null) return this.element(kernel, element);
    const set = SET.exec(one);
    if (set === null) throw new Error(`this nft does not know: ${one}`);
    if (set[1] === 'add') return void (kernel.sets.has(set[2]!) || kernel.sets.set(set[2]!, new Map()));
    if (!kernel.sets.has(set[2]!)) throw new Refused('No such file or directory');
    if (set[1] === 'flush') kernel.sets.get(set[2]!)!.clear();
    else kernel.sets.delete(set[2]!);
  }

  /** Time begins when it is carried out; to add what is there extends nothing. */
  private element(kernel: Kernel, [, verb, set, what, forMs]: RegExpExecArray): void {
    const { now } = this.o.clock;
    const elements = kernel.sets.get(set!);
    const isThere = (elements?.get(what!) ?? -Infinity) > now;
    if (elements === undefined || (verb === 'delete' && !isThere && !this.o.careless))
      throw new Refused('No such file or directory');
    if (verb === 'delete') elements.delete(what!);
    else if (!isThere) elements.set(what!, now + Number(forMs));
  }
}
