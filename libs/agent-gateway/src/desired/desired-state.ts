import { errorMessage, type EventCatalogue, type Log } from '#kernel';
import { START, type Batch, type Position, type RecordedEvent } from '#event-store';
import type { DesiredStateSource, FoldedSources, PushWatch } from '../ports.js';
import { compileSection, type CompiledSection, type CompiledState } from './compiled.js';

/**
 * The registered sources over one fold of the log. A source that throws on an event folds no further, and what it wants stays
 * as of then; the others go on. A restart with a corrected source starts from the log again.
 */
export class DesiredState {
  private readonly sources: DesiredStateSource[] = [];
  private readonly faults = new Map<string, string>();
  private folded: Position = START;

  constructor(
    private readonly log: Log,
    /** Sources see events in their current schema. Without it, as they are stored. */
    private readonly catalogue?: Pick<EventCatalogue, 'current'>,
    private readonly pushes?: Pick<PushWatch, 'folded'>,
  ) {}

  addSource(source: DesiredStateSource): void {
    if (this.sources.some((s) => s.name === source.name)) throw new Error(`desired state source ${source.name} twice`);
    this.sources.push(source);
  }

  /** Everything up to here is folded; the generation of what is compiled now. */
  get position(): Position {
    return this.folded;
  }

  /** Sources that met an event they could not fold, with the error. */
  faulted(): ReadonlyMap<string, string> {
    return this.faults;
  }

  asFolded(): FoldedSources {
    return { position: this.folded, sources: this.sources, stuck: new Set(this.faults.keys()) };
  }

  /** Answers the instances whose desired state may look different now. */
  apply(batch: Batch, dirty: Set<string>): void {
    for (const event of batch.events) {
      for (const source of this.sources) {
        if (!this.faults.has(source.name)) this.applyTo(source, event, dirty);
      }
    }
    this.folded = batch.through;
  }

  private applyTo(source: DesiredStateSource, event: RecordedEvent, dirty: Set<string>): void {
    try {
      const current = this.catalogue === undefined ? event : this.catalogue.current(event);
      const touched = [...source.apply(current)];
      for (const instanceId of touched) dirty.add(instanceId);
      if (touched.length > 0) this.pushes?.folded(event, touched);
    } catch (error) {
      const where = `${event.type} at position ${event.position}: ${errorMessage(error)}`;
      this.faults.set(source.name, where);
      this.log.error(
        { source: source.name, where },
        'desired state source failed on an event and stays as of before it',
      );
    }
  }

  /** Names of the sections it is to have; undefined when a source cannot say that, or has not heard all there is. */
  sectionsOf(instanceId: string): ReadonlySet<string> | undefined {
    if (this.faults.size > 0) return undefined;
    const compiled = this.compile(instanceId);
    return compiled && new Set(compiled.keys());
  }

  /** Undefined when a source cannot say what it wants: then nothing may be sent or taken away. */
  compile(instanceId: string): CompiledState | undefined {
    const sections = new Map<string, CompiledSection>();
    for (const source of this.sources) {
      try {
        for (const [name, values] of source.compile(instanceId)) {
          if (sections.has(name)) throw new Error(`section ${name} comes from two sources`);
          sections.set(name, compileSection(name, values));
        }
      } catch (error) {
        const fields = { source: source.name, instanceId, error: errorMessage(error) };
        this.log.error(fields, 'desired state could not be compiled; what was sent last stays');
        return undefined;
      }
    }
    return sections;
  }
}
