import type { agentV1 } from '#proto';
import {
  bringUpToDate,
  type CompiledSection,
  type CompiledState,
  type EncodedItem,
  type EncodedItems,
} from './compiled.js';

/** What an agent has, or will have when everything sent so far has arrived. */
export interface SentSection {
  readonly name: string;
  readonly hash: string;
  readonly generation: bigint;
  /** Brought up to date in place: a new map per agent and change would live just long enough to be costly garbage. */
  readonly items: Map<string, EncodedItem>;
}
export type SentState = Map<string, SentSection>;

/** A message with a key: equal keys mean equal bytes, so that it is encoded once for all agents that get it. */
export interface PlannedMessage {
  readonly message: agentV1.SyncResponse;
  readonly key: string | undefined;
}

export interface Plan {
  readonly messages: readonly PlannedMessage[];
  readonly sent: SentState;
  /** Sections whose new generation the agent is going to acknowledge. */
  readonly changed: readonly string[];
}

/** Snapshots are cut at about this size, so that the priority lane never waits for more than one such message. */
const CHUNK_BYTES = 256 * 1024;

const itemsSize = (items: EncodedItems): number => {
  let size = 0;
  for (const [key, { bytes }] of items) size += key.length + bytes.length + 8;
  return size;
};

const wireSection = ({ name, generation, hash, items }: SentSection): agentV1.Section => {
  const wire: Record<string, Buffer> = {};
  for (const [key, { bytes }] of items) wire[key] = bytes as Buffer;
  return { name, generation, hash, items: wire };
};

const snapshot = (
  storeEpoch: string,
  sections: readonly SentSection[],
  unchanged: readonly string[],
  complete: boolean,
): PlannedMessage => {
  const value = { storeEpoch, sections: sections.map(wireSection), unchanged: [...unchanged], complete };
  const single = sections.length === 1 && unchanged.length === 0 ? sections[0]! : undefined;
  const key = single && `s|${single.name}|${single.generation}|${single.hash}|${complete}`;
  return { message: { message: { $case: 'snapshot', value } }, key };
};

/** Sections in messages of about CHUNK_BYTES; only the last one says that this is all. */
const snapshots = (
  storeEpoch: string,
  sections: readonly SentSection[],
  unchanged: readonly string[],
  complete: boolean,
) => {
  const chunks: SentSection[][] = [];
  let room = 0;
  for (const section of sections) {
    const size = itemsSize(section.items);
    if (chunks.length === 0 || size > room) {
      chunks.push([]);
      room = CHUNK_BYTES;
    }
    chunks.at(-1)!.push(section);
    room -= size;
  }
  if (!complete) return chunks.map((chunk) => snapshot(storeEpoch, chunk, [], false));
  const last = chunks.pop() ?? [];
  const before = chunks.flat().map((s) => s.name);
  return [
    ...chunks.map((chunk) => snapshot(storeEpoch, chunk, [], false)),
    snapshot(storeEpoch, last, [...unchanged, ...before], true),
  ];
};

/** The whole truth for an agent that says what it has: only sections whose hash differs travel. */
export const planResume = (
  storeEpoch: string,
  hello: Pick<agentV1.Hello, 'storeEpoch' | 'sections'>,
  wanted: CompiledState,
  generation: bigint,
): Plan => {
  const has = new Map(hello.storeEpoch === storeEpoch ? hello.sections.map((s) => [s.name, s]) : []);
  const sent: SentState = new Map();
  const unchanged: string[] = [];
  const fresh: SentSection[] = [];
  for (const section of wanted.values()) {
    const theirs = has.get(section.name);
    const same = theirs?.hash === section.hash;
    const { name, hash } = section;
    const entry = { name, hash, generation: same ? theirs.generation : generation, items: new Map(section.items) };
    sent.set(name, entry);
    if (same) unchanged.push(section.name);
    else fresh.push(entry);
  }
  return { messages: snapshots(storeEpoch, fresh, unchanged, true), sent, changed: fresh.map((s) => s.name) };
};

/** Undefined when most of it is new: then the whole section is smaller than its delta, and needs no base. */
const delta = (
  storeEpoch: string,
  base: SentSection,
  to: CompiledSection & { readonly generation: bigint },
): PlannedMessage | undefined => {
  const { put, puts, remove } = bringUpToDate(base.items, to.items);
  if (puts * 2 > to.items.size && puts > 8) return undefined;
  const value: agentV1.Delta = {
    storeEpoch,
    section: to.name,
    baseGeneration: base.generation,
    generation: to.generation,
    hash: to.hash,
    put,
    remove,
  };
  const key = `d|${to.name}|${base.generation}|${base.hash}|${to.generation}|${to.hash}`;
  return { message: { message: { $case: 'delta', value } }, key };
};

/** From what was sent last to what is wanted now. Consumes `before`, whose maps become those of the result. */
export const planUpdate = (storeEpoch: string, before: SentState, wanted: CompiledState, generation: bigint): Plan => {
  const sent: SentState = new Map();
  const messages: PlannedMessage[] = [];
  const changed: string[] = [];
  const whole: SentSection[] = [];
  for (const section of wanted.values()) {
    const base = before.get(section.name);
    if (base?.hash === section.hash) {
      sent.set(section.name, base);
      continue;
    }
    const { name, hash } = section;
    const message = base === undefined ? undefined : delta(storeEpoch, base, { ...section, generation });
    const entry = { name, hash, generation, items: base?.items ?? new Map(section.items) };
    sent.set(name, entry);
    changed.push(name);
    if (message === undefined) whole.push(entry);
    else messages.push(message);
  }
  messages.push(...snapshots(storeEpoch, whole, [], false));
  const gone = [...before.keys()].some((name) => !wanted.has(name));
  if (gone) messages.push(snapshot(storeEpoch, [], [...sent.keys()], true));
  return { messages, sent, changed };
};
