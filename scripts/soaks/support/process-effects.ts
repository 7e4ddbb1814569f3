import { EventCatalogue, categoryOf } from '#kernel';
import type { RecordedEvent } from '#event-store';
import { pmInputReceived, pmStream, type StoredInput, type StoredOutput } from '#processing';
import { platformEvents } from '../../../apps/platform/src/events.js';
import { registeredManagers } from './managers.js';

const catalogue = new EventCatalogue(platformEvents);

interface Entry {
  readonly event: RecordedEvent;
  readonly input: StoredInput;
  readonly outputs: readonly StoredOutput[];
}

const entryOf = (event: RecordedEvent): Entry => {
  const { input, outputs } = event.data as unknown as Omit<Entry, 'event'>;
  return { event, input, outputs };
};

/** The inbox holds each event that is for it, once and in the order of the log; but for the last ones, not yet taken in. */
const problemsOfInbox = (stream: string, wanted: readonly string[], entries: readonly Entry[]): string[] => {
  const taken = entries.flatMap(({ input }) => (input.kind === 'event' ? [input.event.id] : []));
  const same = taken.every((id, index) => id === wanted[index]);
  return same && taken.length === wanted.length
    ? []
    : [
        `${stream} took in ${taken.length} events, the log has ${wanted.length} for it${same ? '' : ', in another order'}`,
      ];
};

/** Each command that was decided is answered once, each timer fires at most once after it was set. */
const problemsOfOutputs = (stream: string, entries: readonly Entry[]): string[] => {
  const answers = new Map<string, number>();
  const fired = new Map<string, number>();
  const sent: string[] = [];
  const count = (in_: Map<string, number>, key: string) => in_.set(key, (in_.get(key) ?? 0) + 1);
  for (const { event, input, outputs } of entries) {
    if (input.kind === 'command_result') count(answers, `${input.of.version}:${input.of.index}`);
    if (input.kind === 'timer') count(fired, `${input.name}:${input.setAt}`);
    outputs.forEach((output, index) => {
      if (output.kind === 'command') sent.push(`${event.version}:${index}`);
    });
  }
  return [
    ...sent
      .filter((key) => answers.get(key) !== 1)
      .map((key) => `${stream}: command ${key} was answered ${answers.get(key) ?? 0} times`),
    ...[...answers.keys()].filter((key) => !sent.includes(key)).map((key) => `${stream}: ${key} answered, never sent`),
    ...[...fired]
      .filter(([, times]) => times > 1)
      .map(([key, times]) => `${stream}: timer ${key} fired ${times} times`),
  ];
};

/** What does not show that every process manager did everything once: read from the log alone. */
export const problemsOfProcesses = async (events: readonly RecordedEvent[]): Promise<string[]> => {
  const managers = await registeredManagers();
  const inboxes = new Map<string, Entry[]>();
  const wanted = new Map<string, string[]>();
  const add = <V>(to: Map<string, V[]>, key: string, value: V) => void to.set(key, [...(to.get(key) ?? []), value]);
  for (const event of events) {
    if (event.type === pmInputReceived.type) {
      add(inboxes, event.stream, entryOf(event));
      continue;
    }
    if (categoryOf(event.stream).startsWith('pm_')) continue;
    const data = catalogue.upcast(event.type, event.schemaVersion, event.data);
    for (const manager of managers) {
      const instance = manager.correlate({ ...event, data });
      if (instance !== undefined) add(wanted, pmStream(manager.name, instance), event.id);
    }
  }
  const unknown = [...inboxes.keys()].filter((stream) => !managers.some((m) => categoryOf(stream) === `pm_${m.name}`));
  return [
    ...unknown.map((stream) => `${stream} is of a process manager that this check does not know`),
    ...[...new Set([...wanted.keys(), ...inboxes.keys()])].flatMap((stream) => {
      const entries = inboxes.get(stream) ?? [];
      return [...problemsOfInbox(stream, wanted.get(stream) ?? [], entries), ...problemsOfOutputs(stream, entries)];
    }),
  ];
};
