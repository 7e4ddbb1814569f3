import { z } from 'zod';

export type Severity = 'info' | 'warning' | 'high' | 'critical';

/** Ids of the things an event is about, so that a consumer can filter without knowing each payload. */
export interface EventLinks {
  readonly node?: string;
  readonly instance?: string;
  readonly cluster?: string;
  readonly network?: string;
}

/** An event as a decider produces it. Id, stream, version, position and meta are added on append. */
export interface DomainEvent<T extends string = string, D extends object = object> {
  readonly type: T;
  readonly data: D;
  /** Overrides the definition's severity where the data decides it. */
  readonly severity?: Severity;
  readonly links?: EventLinks;
  /** Further kinds under which `kind_prefix` queries find this event. */
  readonly topics?: readonly string[];
}

/** One event type: its wire name, current schema version and zod schema; the TypeScript type derives from it. */
export interface EventDefinition<T extends string = string, S extends z.ZodObject = z.ZodObject> {
  readonly type: T;
  readonly version: number;
  readonly schema: S;
  readonly severity: Severity;
  /** Brings older payloads to the current shape, from version `n` to `n + 1`, keyed by `n`. */
  readonly upcasters: Readonly<Record<number, (data: Record<string, unknown>) => Record<string, unknown>>>;
  /** The field that names what this event ends for good: its secrets are shredded then. */
  readonly ends?: string;
  (data: z.input<S>, more?: Pick<DomainEvent, 'severity' | 'links' | 'topics'>): DomainEvent<T, z.output<S>>;
}

/** Throws when an older version has no way to the current one: such a build could not read its own log. */
export const defineEvent = <T extends string, S extends z.ZodObject>(
  type: T,
  version: number,
  schema: S,
  options: { severity?: Severity; upcasters?: EventDefinition['upcasters']; ends?: keyof S['shape'] & string } = {},
): EventDefinition<T, S> => {
  for (let from = 1; from < version; from++) {
    if (options.upcasters?.[from] === undefined) throw new Error(`${type} has no upcaster from version ${from}`);
  }
  const make = (data: z.input<S>, more: Pick<DomainEvent, 'severity' | 'links' | 'topics'> = {}) => ({
    type,
    data: schema.parse(data) as z.output<S>,
    ...more,
  });
  return Object.assign(make, {
    type,
    version,
    schema,
    severity: options.severity ?? ('info' as const),
    upcasters: options.upcasters ?? {},
    ...(options.ends === undefined ? {} : { ends: options.ends }),
  }) as EventDefinition<T, S>;
};

/** The union of the events that these definitions make. */
export type EventOf<D> = D extends EventDefinition<infer T, infer S> ? DomainEvent<T, z.output<S>> : never;

/** This build cannot read an event that is in the log: it must not guess, and skipping it would be silent. */
export class UnreadableEventError extends Error {
  override readonly name = 'UnreadableEventError';
}

/** What reading needs of a recorded event. */
type Stored = {
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: Readonly<Record<string, unknown>>;
};

/** All event types the platform knows; reading a type outside it is an error, never a silent skip. */
export class EventCatalogue {
  private readonly byType = new Map<string, EventDefinition>();

  constructor(definitions: Iterable<EventDefinition<string, z.ZodObject>>) {
    for (const definition of definitions) {
      if (this.byType.has(definition.type)) throw new Error(`event type defined twice: ${definition.type}`);
      this.byType.set(definition.type, definition);
    }
  }

  get(type: string): EventDefinition | undefined {
    return this.byType.get(type);
  }

  types(): string[] {
    return [...this.byType.keys()].sort();
  }

  /**
   * Brings stored data of an older schema version to the current shape. Throws UnreadableEventError for a type that this
   * build does not know, and for a version newer than its own.
   */
  upcast(
    type: string,
    schemaVersion: number,
    data: Readonly<Record<string, unknown>>,
  ): Readonly<Record<string, unknown>> {
    const definition = this.byType.get(type);
    if (definition === undefined) throw new UnreadableEventError(`unknown event type ${type}`);
    if (schemaVersion > definition.version) throw new UnreadableEventError(newer(definition, schemaVersion));
    let current = data;
    for (let v = schemaVersion; v < definition.version; v++) {
      const upcaster = definition.upcasters[v];
      if (upcaster === undefined) throw new UnreadableEventError(`no upcaster for ${type} from version ${v}`);
      current = upcaster({ ...current });
    }
    return current;
  }

  /** A recorded event in its current schema; the very same object when it is that already. Throws as `upcast` does. */
  current<E extends Stored>(event: E): E {
    const data = this.upcast(event.type, event.schemaVersion, event.data);
    return data === event.data ? event : { ...event, data, schemaVersion: this.byType.get(event.type)!.version };
  }
}

const newer = ({ type, version }: EventDefinition, stored: number): string =>
  `${type} is stored in schema version ${stored}, but this build knows versions up to ${version}: ` +
  'a newer build wrote it; run that build or a later one';
