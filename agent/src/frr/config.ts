import type { ConfigBlock } from '#proto';

/** A configuration as sets of lines by their contexts, in the order in which they came. */
export type Config = ReadonlyMap<string, { readonly path: readonly string[]; readonly lines: readonly string[] }>;

const keyOf = (path: readonly string[]): string => path.join('\n');

/** Blocks of one path become one. */
export const configOf = (blocks: readonly ConfigBlock[]): Config => {
  const result = new Map<string, { path: readonly string[]; lines: string[] }>();
  for (const { path, lines } of blocks) {
    const known = result.get(keyOf(path));
    if (known === undefined) result.set(keyOf(path), { path, lines: [...new Set(lines)] });
    else known.lines.push(...lines.filter((line) => !known.lines.includes(line)));
  }
  return result;
};

/** The text of a configuration file. Contexts inside another one follow it at once. */
export const configText = (config: Config): string => {
  const out: string[] = [];
  const tops = new Map([...config.values()].map(({ path }) => [path[0] ?? '', path.slice(0, 1)]));
  for (const path of tops.values()) {
    const lines = config.get(keyOf(path))?.lines ?? [];
    out.push(...path, ...lines.map((line) => (path.length === 0 ? line : ` ${line}`)));
    for (const inner of config.values()) {
      if (inner.path.length !== 2 || inner.path[0] !== path[0]) continue;
      out.push(` ${inner.path[1]!}`, ...inner.lines.map((line) => `  ${line}`));
      out.push(inner.path[1]!.startsWith('address-family') ? ' exit-address-family' : ' exit');
    }
    if (path.length > 0) out.push('exit');
    out.push('!');
  }
  return `${out.join('\n')}\n`;
};

const isContext = (line: string, depth: number): boolean =>
  depth === 0 ? /^(router bgp|route-map) /.test(line) : depth === 1 && line.startsWith('address-family ');
const isOurs = (line: string): boolean => /^ip(v6)? prefix-list /.test(line);

/** `show running-config`, as far as it is about what the agent configures. */
export const parseRunning = (text: string): Config => {
  const blocks: ConfigBlock[] = [];
  let path: string[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith('!') || /^(end|exit|exit-address-family)$/.test(line)) continue;
    const depth = raw.length - raw.trimStart().length;
    if (depth <= path.length) path = path.slice(0, depth);
    if (isContext(line, path.length)) {
      path = [...path, line];
      blocks.push({ path, lines: [] });
    } else if (path.length > 0 || isOurs(line)) blocks.push({ path, lines: [line] });
  }
  return configOf(blocks);
};

/** One command in a context; contexts are entered from the top. */
export interface ConfigCommand {
  readonly path: readonly string[];
  readonly line: string;
}

/** A line that names the same setting takes the place of the one before, without an interruption. */
const settingOf = (line: string): string => {
  const words = line.split(' ');
  if (words[0] === 'network') return words.slice(0, 2).join(' ');
  if (words[0] === 'neighbor') return words.slice(0, words[2] === 'timers' || words[2] === 'bfd' ? 4 : 3).join(' ');
  if (words[1] === 'prefix-list') return words.slice(0, 5).join(' ');
  if (words[0] === 'bgp' || words[0] === 'set' || words[0] === 'timers') return words.slice(0, 2).join(' ');
  return line;
};

const negated = (line: string): string => (line.startsWith('no ') ? line.slice(3) : `no ${line}`);
const neighbourOf = (line: string): string | undefined => /^neighbor (\S+) /.exec(line)?.[1];
/** The line with which a neighbour comes into being. */
const birth = (line: string): string | undefined => /^neighbor (\S+) peer-group \S+$/.exec(line)?.[1];

/**
 * The commands that bring a running daemon from one configuration to another; nothing that stays as it is is touched, so its
 * sessions stay up. Neighbours that go, go first: a neighbour that changes its group is a new one.
 */
export const configDiff = (from: Config, to: Config): ConfigCommand[] => {
  const gone: ConfigCommand[] = [];
  const added: ConfigCommand[] = [];
  const removed: ConfigCommand[] = [];
  const reborn = new Set<string>();
  for (const { path, lines } of from.values()) {
    const wanted = new Set(to.get(keyOf(path))?.lines ?? []);
    for (const line of lines) {
      const neighbour = birth(line);
      if (neighbour === undefined || wanted.has(line)) continue;
      reborn.add(neighbour);
      gone.push({ path, line: `no neighbor ${neighbour}` });
    }
  }
  const isReborn = (line: string) => reborn.has(neighbourOf(line) ?? '');
  for (const [key, { path, lines }] of to) {
    const have = new Set(from.get(key)?.lines ?? []);
    if (lines.length === 0 && !from.has(key)) added.push({ path: path.slice(0, -1), line: path.at(-1)! });
    for (const line of lines) if (!have.has(line) || isReborn(line)) added.push({ path, line });
  }
  for (const [key, { path, lines }] of from) {
    const target = to.get(key);
    if (target === undefined && path.length > 0) {
      if (!removed.some((r) => path.length > 1 && r.line === `no ${path[0]!}`))
        removed.push({ path: path.slice(0, -1), line: `no ${path.at(-1)!}` });
      continue;
    }
    const wanted = new Set(target?.lines ?? []);
    const settings = new Set([...wanted].map(settingOf));
    for (const line of lines)
      if (!wanted.has(line) && !isReborn(line) && !settings.has(settingOf(line)))
        removed.push({ path, line: negated(line) });
  }
  return [...gone, ...added, ...removed];
};

/** What is typed: contexts are entered from `configure terminal` each time they change. */
export const typed = (commands: readonly ConfigCommand[]): string[] => {
  if (commands.length === 0) return [];
  const out = ['configure terminal'];
  let at = '';
  for (const { path, line } of commands) {
    if (keyOf(path) !== at) out.push('end', 'configure terminal', ...path);
    at = keyOf(path);
    out.push(line);
  }
  return [...out, 'end'];
};
