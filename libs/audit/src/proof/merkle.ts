import { hash } from 'node:crypto';

/**
 * Merkle trees as in RFC 6962 (RFC 9162, section 2.1): leaves are hashed under prefix 0x00 and inner nodes under 0x01, so that no
 * node can pass for a leaf; a tree of n leaves splits at the largest power of two below n.
 */
export type Hash = Uint8Array;

export const EMPTY_ROOT: Hash = hash('sha256', '', 'buffer');
const HASH_BYTES = 32;
const nodeInput = Buffer.alloc(1 + 2 * HASH_BYTES);
nodeInput[0] = 1;

/** Of the log's entries, which all have 64 bytes: one buffer for each of millions. */
const entryInput = Buffer.alloc(1 + 64);

export const leafHash = (data: Uint8Array): Buffer => {
  const input = data.length === 64 ? entryInput : Buffer.allocUnsafe(1 + data.length);
  input[0] = 0;
  input.set(data, 1);
  return hash('sha256', input, 'buffer');
};

const nodeHash = (left: Hash, right: Hash): Buffer => {
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + HASH_BYTES);
  return hash('sha256', nodeInput, 'buffer');
};

/** Where a tree of `size` ≥ 2 leaves splits. */
const split = (size: number): number => 2 ** Math.ceil(Math.log2(size) - 1);

/** Over leaf hashes. */
export const merkleRoot = (leaves: readonly Hash[], from = 0, to = leaves.length): Hash => {
  if (to === from) return EMPTY_ROOT;
  if (to - from === 1) return leaves[from]!;
  const middle = from + split(to - from);
  return nodeHash(merkleRoot(leaves, from, middle), merkleRoot(leaves, middle, to));
};

/** The siblings on the way from a leaf up to the root, the leaf's own sibling first. */
export const inclusionPath = (leaves: readonly Hash[], index: number, from = 0, to = leaves.length): Hash[] => {
  if (!(index >= from && index < to)) throw new RangeError(`no leaf ${index}`);
  if (to - from === 1) return [];
  const middle = from + split(to - from);
  return index < middle
    ? [...inclusionPath(leaves, index, from, middle), merkleRoot(leaves, middle, to)]
    : [...inclusionPath(leaves, index, middle, to), merkleRoot(leaves, from, middle)];
};

/** The root that a leaf and its path lead to; undefined when the path does not fit a tree of this size. */
export const rootFromPath = (leaf: Hash, index: number, size: number, path: readonly Hash[]): Hash | undefined => {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return undefined;
  if (path.some((hash) => hash.length !== HASH_BYTES)) return undefined;
  const climb = (from: number, to: number, rest: readonly Hash[]): Hash | undefined => {
    if (to - from === 1) return rest.length === 0 ? leaf : undefined;
    if (rest.length === 0) return undefined;
    const middle = from + split(to - from);
    const below = rest.slice(0, -1);
    const sibling = rest.at(-1)!;
    const inner = index < middle ? climb(from, middle, below) : climb(middle, to, below);
    if (inner === undefined) return undefined;
    return index < middle ? nodeHash(inner, sibling) : nodeHash(sibling, inner);
  };
  return climb(0, size, path);
};

/** What stands for all leaves but one's own: the roots of the largest subtrees without one of them, from left to right. */
export const restOf = (leaves: readonly Hash[], own: ReadonlySet<number>): Hash[] => {
  const before = prefixCounts(leaves.length, own);
  const walk = (from: number, to: number): Hash[] => {
    if (before[to] === before[from]) return [merkleRoot(leaves, from, to)];
    if (to - from === 1) return [];
    const middle = from + split(to - from);
    return [...walk(from, middle), ...walk(middle, to)];
  };
  return leaves.length === 0 ? [] : walk(0, leaves.length);
};

/** The root from one's own leaves (by index) and the rest; undefined when they do not make a tree of this size. */
export const rootFromParts = (
  size: number,
  own: ReadonlyMap<number, Hash>,
  rest: readonly Hash[],
): Hash | undefined => {
  if (!Number.isSafeInteger(size) || size < 1 || size > MAX_LEAVES) return undefined;
  if ([...own.keys()].some((index) => !(index >= 0 && index < size))) return undefined;
  if (rest.some((hash) => hash.length !== HASH_BYTES)) return undefined;
  const before = prefixCounts(size, own);
  let next = 0;
  const walk = (from: number, to: number): Hash | undefined => {
    if (before[to] === before[from]) return rest[next++];
    if (to - from === 1) return own.get(from);
    const middle = from + split(to - from);
    const left = walk(from, middle);
    const right = left && walk(middle, to);
    return left && right && nodeHash(left, right);
  };
  const root = walk(0, size);
  return next === rest.length ? root : undefined;
};

/** Of one seal's range; what a file claims beyond it is not believed. */
const MAX_LEAVES = 1_000_000;

const prefixCounts = (size: number, own: { has(index: number): boolean }): Uint32Array => {
  const counts = new Uint32Array(size + 1);
  for (let index = 0; index < size; index++) counts[index + 1] = counts[index]! + (own.has(index) ? 1 : 0);
  return counts;
};
