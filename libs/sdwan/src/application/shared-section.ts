/**
 * A section that is mostly what all nodes of a network share: a map of its own over a common one, without one common key
 * (the node itself). A thousand nodes with a thousand peers each would otherwise be a million map entries.
 */
export class SharedSection implements ReadonlyMap<string, unknown> {
  constructor(
    private readonly common: ReadonlyMap<string, unknown>,
    private readonly without: string,
    private readonly own: ReadonlyMap<string, unknown>,
  ) {}

  get size(): number {
    return this.own.size + this.common.size - (this.common.has(this.without) ? 1 : 0);
  }

  get(key: string): unknown {
    return this.own.get(key) ?? (key === this.without ? undefined : this.common.get(key));
  }

  has(key: string): boolean {
    return this.own.has(key) || (key !== this.without && this.common.has(key));
  }

  *entries(): MapIterator<[string, unknown]> {
    yield* this.own;
    for (const entry of this.common) if (entry[0] !== this.without) yield entry;
    return undefined;
  }

  *keys(): MapIterator<string> {
    for (const [key] of this.entries()) yield key;
    return undefined;
  }

  *values(): MapIterator<unknown> {
    for (const [, value] of this.entries()) yield value;
    return undefined;
  }

  [Symbol.iterator](): MapIterator<[string, unknown]> {
    return this.entries();
  }

  forEach(each: (value: unknown, key: string, map: ReadonlyMap<string, unknown>) => void): void {
    for (const [key, value] of this) each(value, key, this);
  }
}
