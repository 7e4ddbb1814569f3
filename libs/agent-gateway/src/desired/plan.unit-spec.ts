import fc from 'fast-check';
import { applyDiff, sectionHash } from '#proto';
import { compileSection, type CompiledState } from './compiled.js';
import { planResume, planUpdate, type Plan, type SentState } from './plan.js';

type Sections = Record<string, Record<string, number>>;
const compiled = (sections: Sections): CompiledState =>
  new Map(
    Object.entries(sections).map(([name, items]) => [name, compileSection(name, new Map(Object.entries(items)))]),
  );

/** The agent's half of the protocol, as strict as the proto file demands. */
class Node {
  readonly sections = new Map<string, { generation: bigint; hash: string; items: Map<string, Uint8Array> }>();

  take(plan: Plan): void {
    for (const { message } of plan.messages) {
      if (message.message?.$case === 'snapshot') this.snapshot(message.message.value);
      else if (message.message?.$case === 'delta') this.delta(message.message.value);
      else throw new Error('unexpected message');
    }
  }

  hello(storeEpoch: string) {
    const sections = [...this.sections].map(([name, { generation, hash }]) => ({ name, generation, hash }));
    return { storeEpoch, sections };
  }

  state(): Sections {
    return Object.fromEntries(
      [...this.sections].map(([name, { items }]) => [
        name,
        Object.fromEntries([...items].map(([k, v]) => [k, JSON.parse(String(Buffer.from(v)))])),
      ]),
    );
  }

  private snapshot(
    value: Extract<Plan['messages'][number]['message']['message'], { $case: 'snapshot' }>['value'],
  ): void {
    for (const { name, generation, hash, items } of value.sections)
      this.set(name, generation, hash, new Map(Object.entries(items)));
    if (!value.complete) return;
    const named = new Set([...value.unchanged, ...value.sections.map((s) => s.name)]);
    for (const name of value.unchanged) expect(this.sections.has(name)).toBe(true);
    for (const name of this.sections.keys()) if (!named.has(name)) this.sections.delete(name);
  }

  private delta(value: Extract<Plan['messages'][number]['message']['message'], { $case: 'delta' }>['value']): void {
    const local = this.sections.get(value.section)!;
    expect(local.generation).toBe(value.baseGeneration);
    const items = applyDiff(local.items, { put: new Map(Object.entries(value.put)), remove: value.remove });
    this.set(value.section, value.generation, value.hash, items);
  }

  private set(name: string, generation: bigint, hash: string, items: Map<string, Uint8Array>): void {
    expect(sectionHash(items)).toBe(hash);
    this.sections.set(name, { generation, hash, items });
  }
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l');
const states = fc.array(
  fc.record({
    sections: fc.dictionary(
      fc.constantFrom('n/1', 'n/2', 'modules'),
      fc.dictionary(key, fc.integer({ min: 0, max: 3 }), { minKeys: 1 }),
    ),
    reconnect: fc.boolean(),
    forgot: fc.boolean(),
  }),
  { minLength: 1, maxLength: 12 },
);

describe('what is sent to an agent', () => {
  it('always brings it to the desired state, by deltas, reconnects and losses of its own state alike', () => {
    fc.assert(
      fc.property(states, (steps) => {
        let node = new Node();
        let sent: SentState | undefined;
        let generation = 10n;
        for (const { sections, reconnect, forgot } of steps) {
          generation += 1n;
          if (forgot) node = new Node();
          if (reconnect || forgot) sent = undefined;
          const wanted = compiled(sections);
          const plan: Plan =
            sent === undefined
              ? planResume('e', node.hello('e'), wanted, generation)
              : planUpdate('e', sent, wanted, generation);
          node.take(plan);
          sent = plan.sent;
          expect(node.state()).toEqual(sections);
          for (const [name, local] of node.sections) expect(sent.get(name)!.generation).toBe(local.generation);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is nothing when nothing changed, and hashes only on a resume', () => {
    const wanted = compiled({ 'n/1': { a: 1 } });
    const first = planResume('e', { storeEpoch: '', sections: [] }, wanted, 5n);
    expect(planUpdate('e', first.sent, compiled({ 'n/1': { a: 1 } }), 6n).messages).toEqual([]);
    const node = new Node();
    node.take(first);
    const again = planResume('e', node.hello('e'), wanted, 9n);
    expect(again.changed).toEqual([]);
    expect(again.messages[0]!.message.message).toMatchObject({
      value: { sections: [], unchanged: ['n/1'], complete: true },
    });
  });

  it('is everything for an agent of another store', () => {
    const wanted = compiled({ 'n/1': { a: 1 } });
    const node = new Node();
    node.take(planResume('old', { storeEpoch: '', sections: [] }, wanted, 500n));
    const plan = planResume('new', node.hello('old'), wanted, 5n);
    expect(plan.changed).toEqual(['n/1']);
    node.take(plan);
    expect(node.sections.get('n/1')!.generation).toBe(5n);
  });

  it('is cut into several snapshots when it is large, of which the last is the complete one', () => {
    const big = Object.fromEntries(
      Array.from({ length: 5 }, (_, s) => [`n/${s}`, new Map([['k', 'x'.repeat(200_000)]])]),
    );
    const wanted = new Map(Object.entries(big).map(([name, items]) => [name, compileSection(name, items)]));
    const plan = planResume('e', { storeEpoch: '', sections: [] }, wanted, 1n);
    const snapshots = plan.messages.map((m) => m.message.message!.value as { complete: boolean; unchanged: string[] });
    expect(snapshots.map((s) => s.complete)).toEqual([false, false, false, false, true]);
    expect(snapshots.at(-1)!.unchanged).toEqual(['n/0', 'n/1', 'n/2', 'n/3']);
  });
});
