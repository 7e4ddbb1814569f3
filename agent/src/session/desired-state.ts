import { applyDiff, sectionHash, type agentV1 } from '#proto';

export interface SectionData {
  readonly generation: bigint;
  readonly hash: string;
  readonly items: ReadonlyMap<string, Uint8Array>;
}

/** What the platform wants of this node, as far as the agent has heard. */
export interface DesiredState {
  readonly storeEpoch: string;
  readonly sections: ReadonlyMap<string, SectionData>;
}

export const emptyDesired: DesiredState = { storeEpoch: '', sections: new Map() };

export interface SnapshotResult {
  readonly desired: DesiredState;
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** Sections whose content does not hash to what the platform says: asked for again, never applied. */
  readonly damaged: readonly string[];
}

export const applySnapshot = (desired: DesiredState, snapshot: agentV1.Snapshot): SnapshotResult => {
  const sections = new Map(desired.sections);
  const changed: string[] = [];
  const damaged: string[] = [];
  for (const section of snapshot.sections) {
    const items = new Map(Object.entries(section.items));
    if (sectionHash(items) !== section.hash) {
      damaged.push(section.name);
      continue;
    }
    sections.set(section.name, { generation: section.generation, hash: section.hash, items });
    changed.push(section.name);
  }
  const removed: string[] = [];
  if (snapshot.complete) {
    const named = new Set([...snapshot.unchanged, ...snapshot.sections.map((s) => s.name)]);
    for (const name of sections.keys()) if (!named.has(name)) removed.push(name);
    for (const name of removed) sections.delete(name);
  }
  return { desired: { storeEpoch: snapshot.storeEpoch, sections }, changed, removed, damaged };
};

export type DeltaResult =
  | { readonly kind: 'applied'; readonly desired: DesiredState }
  /** The agent must ask for the section anew. */
  | { readonly kind: 'resync'; readonly reason: string };

export const applyDelta = (desired: DesiredState, delta: agentV1.Delta): DeltaResult => {
  if (delta.storeEpoch !== desired.storeEpoch) return { kind: 'resync', reason: 'another store epoch' };
  const base = desired.sections.get(delta.section);
  const have = base?.generation ?? 0n;
  if (have !== delta.baseGeneration)
    return { kind: 'resync', reason: `delta is based on generation ${delta.baseGeneration}, the agent has ${have}` };
  const put = new Map<string, Uint8Array>(Object.entries(delta.put));
  const items = applyDiff(base?.items ?? new Map(), { put, remove: delta.remove });
  if (sectionHash(items) !== delta.hash) return { kind: 'resync', reason: 'the result has another hash' };
  const sections = new Map(desired.sections);
  sections.set(delta.section, { generation: delta.generation, hash: delta.hash, items });
  return { kind: 'applied', desired: { ...desired, sections } };
};

/** Without the named sections' hashes, so that the platform sends them in full. */
export const sectionStates = (desired: DesiredState, forget: ReadonlySet<string>): agentV1.SectionState[] =>
  [...desired.sections]
    .filter(([name]) => !forget.has(name))
    .map(([name, s]) => ({ name, generation: s.generation, hash: s.hash }));

export const serializeDesired = (desired: DesiredState): string =>
  JSON.stringify({
    storeEpoch: desired.storeEpoch,
    sections: [...desired.sections].map(([name, s]) => ({
      name,
      generation: String(s.generation),
      hash: s.hash,
      items: [...s.items].map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    })),
  });

/** Undefined when the text is damaged; sections that no longer match their hash are left out. */
export const parseDesired = (text: string): DesiredState | undefined => {
  try {
    const raw = JSON.parse(text) as {
      storeEpoch: string;
      sections: { name: string; generation: string; hash: string; items: [string, string][] }[];
    };
    const sections = new Map<string, SectionData>();
    for (const s of raw.sections) {
      const items = new Map(s.items.map(([key, value]) => [key, Buffer.from(value, 'base64')] as const));
      if (sectionHash(items) === s.hash)
        sections.set(s.name, { generation: BigInt(s.generation), hash: s.hash, items });
    }
    return { storeEpoch: raw.storeEpoch, sections };
  } catch {
    return undefined;
  }
};
