import { CliError } from './errors.js';

export const EVENT_USAGE = `drover event watch [KIND_PREFIX…] [OPTIONS]     events as they happen (also: drover events --watch)

  --kind-prefix P     only kinds or topics that begin with it, letter by letter, e.g. system.k3s; may be
                      repeated. system.k3s.handshake.join also shows join_request, and the
                      handshake.ready of a node that joined: that has the topic …handshake.join
  --stream NAME       only events of this entity (its id) or stream, or of all whose name
                      begins with it, e.g. cluster-; may be repeated
  --subject ID        only events of this entity and events that link to it; may be repeated
  --severity S        at least info, warning, high or critical
  --account ID|all    another account's, or everybody's (needs platform.events.read)
  --from WHERE        now (default) or beginning
  --after CURSOR      what comes behind this cursor: the one of the last line that you have seen
  --cursor-file FILE  goes on where the last watch with this file ended, and keeps the cursor there
  --count N           ends after so many events
  -o text|ndjson      text on a terminal, else one JSON object a line, with its cursor

A connection that breaks is taken up again behind the last event: nothing is missed or repeated. Ctrl-C ends.`;

export type EventFormat = 'text' | 'ndjson';

export interface EventFlags {
  /** Query parameters of GET /events. */
  readonly query: readonly (readonly [name: string, value: string])[];
  readonly after?: string;
  readonly cursorFile?: string;
  readonly count?: number;
  /** Undefined: as it fits where the output goes. */
  readonly format?: EventFormat;
}

const QUERY = ['kind_prefix', 'stream', 'subject', 'severity', 'account', 'from'];
const OTHERS = ['after', 'cursor_file', 'count', 'output'];
const ALIASES: Readonly<Record<string, string>> = { o: 'output', prefix: 'kind_prefix', kind: 'kind_prefix' };

const usage = (message: string, why: string): CliError => new CliError(message, why, 'drover event watch --help', 2);

const named = (word: string): { name: string; value: string | undefined } | undefined => {
  const flag = /^--?([a-z][a-z_-]*)(?:=(.*))?$/.exec(word) ?? /^([a-z][a-z_]*)=(.*)$/.exec(word);
  if (flag === null) return undefined;
  const name = flag[1]!.replaceAll('-', '_');
  return { name: ALIASES[name] ?? name, value: flag[2] };
};

/** The words after `drover event watch`: `--name value`, `name=value`, and bare kind prefixes. */
export const eventFlags = (words: readonly string[]): EventFlags => {
  const query: [string, string][] = [];
  const others = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const found = named(words[i]!);
    if (found === undefined) query.push(['kind_prefix', words[i]!]);
    else if (found.name !== 'watch' || found.value !== undefined) {
      const { name } = found;
      if (![...QUERY, ...OTHERS].includes(name))
        throw usage(`drover event watch has no ${words[i]!.split('=')[0]}`, 'its options are shown by --help');
      const value = found.value ?? words[++i];
      if (value === undefined || value === '')
        throw usage(`${words[i - 1]} needs a value`, 'the command line ends there');
      if (QUERY.includes(name)) query.push([name, value]);
      else others.set(name, value);
    }
  }
  return { query, ...readOthers(others) };
};

const readOthers = (others: ReadonlyMap<string, string>): Omit<EventFlags, 'query'> => {
  const [after, cursorFile, count, format] = OTHERS.map((name) => others.get(name));
  if (count !== undefined && !/^[1-9]\d{0,8}$/.test(count))
    throw usage(`--count ${count}`, 'it must be a whole number from 1 on');
  if (format !== undefined && format !== 'text' && format !== 'ndjson')
    throw usage(`-o ${format}`, `it must be text or ndjson${format === 'json' ? ': events come one a line' : ''}`);
  if (after !== undefined && cursorFile !== undefined)
    throw usage('--after and --cursor-file', 'both say where to go on; give one of them');
  return {
    ...(after === undefined ? {} : { after }),
    ...(cursorFile === undefined ? {} : { cursorFile }),
    ...(count === undefined ? {} : { count: Number(count) }),
    ...(format === undefined ? {} : { format }),
  };
};
