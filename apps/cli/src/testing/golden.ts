/** What differs between two runs, by what it is and in the order in which it appears: `<node-1>`, `<time>`. */
export const stable = (text: string): string => {
  const seen = new Map<string, string>();
  const counts = new Map<string, number>();
  const numbered = (kind: string, found: string): string => {
    const known = seen.get(found);
    if (known !== undefined) return known;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    const name = `<${kind}-${counts.get(kind)}>`;
    seen.set(found, name);
    return name;
  };
  const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
  // Chosen at random, and without a prefix of their own: the names of interfaces tell them.
  const handles = new Set([...text.matchAll(/wg-sdwan-([0-9a-f]{6})\b/g)].map(([, handle]) => handle!));
  return (
    [...handles]
      .reduce((left, handle) => left.replaceAll(new RegExp(`\\b${handle}\\b`, 'g'), numbered('handle', handle)), text)
      // YAML quotes the ones that look like numbers.
      .replaceAll(/"(<handle-\d+>)"/g, '$1')
      .replaceAll(new RegExp(`([a-z_]+)-${UUID}`, 'g'), (found, kind: string) => numbered(kind, found))
      .replaceAll(new RegExp(UUID, 'g'), (found) => numbered('uuid', found))
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '<time>')
      .replaceAll(/\b[0-9a-f]{40}\b/g, (found) => numbered('token', found))
      .replaceAll(/(?<![\w/+])[A-Za-z0-9+/]{43}=/g, (found) => numbered('key', found))
      .replaceAll(/\b100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d+\.\d+\b/g, '<address>')
      .replaceAll(/\bfd[0-9a-f]{2}(:[0-9a-f]*)+/g, '<address>')
      .replaceAll(/("?(?:outage_estimate_ms|acks_ms)"?:? *)\d+/g, '$1<ms>')
      // Columns are as wide as what is in them.
      .replaceAll(/(\S) {2,}/g, '$1  ')
      .replaceAll(/ +$/gm, '')
  );
};
