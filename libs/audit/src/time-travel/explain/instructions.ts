import type { RecordedEvent } from '#event-store';

interface Rule {
  /** What a node or the platform's failover reported on its own account. */
  readonly of: RegExp;
  /** What it had been told before; the newest that fits. */
  readonly by: RegExp;
  /** Both must name the same. */
  readonly same: readonly string[];
}

const RULES: readonly Rule[] = [
  {
    of: /^system\.instance\.(enrolled|enrollment_refused)$/,
    by: /^system\.instance\.(join_token_issued|provision_requested)$/,
    same: ['instance_id'],
  },
  { of: /^system\.instance\.online$/, by: /^system\.instance\.enrolled$/, same: ['instance_id'] },
  { of: /^system\.instance\.returned$/, by: /^system\.instance\.lost$/, same: ['instance_id'] },
  {
    of: /^system\.(k3s\.runtime|k3s\.handshake|docker\.runtime|docker\.handshake|module)\./,
    by: /^system\.(k3s|docker)?\.?module\.assigned$/,
    same: ['instance_id'],
  },
  {
    of: /^system\.k3s\.node\.(not_ready|ready)$/,
    by: /^system\.k3s\.(handshake\.ready|node\.not_ready)$/,
    same: ['instance_id'],
  },
  {
    of: /^system\.k3s\.cluster\.(degraded|recovered)$/,
    by: /^system\.(k3s\.node\.(not_ready|ready)|instance\.(lost|returned)|k3s\.cluster\.degraded)$/,
    same: [],
  },
  {
    of: /^system\.sdwan\.peer\.(key_announced|endpoints_reported|connected|silent)$/,
    by: /^system\.sdwan\.peer\.attached$/,
    same: ['peer_id'],
  },
  {
    of: /^system\.sdwan\.virtual_ip\.(move_started|stranded)$/,
    by: /^system\.instance\.(lost|drain_requested|terminated|forgotten)$/,
    same: ['from.instance_id', 'last_holder.instance_id'],
  },
];

const valueAt = (data: Readonly<Record<string, unknown>>, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>((at, key) => (typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined), data);

/**
 * Why a node did something on its own account: agents report without naming what made them, so it is the newest instruction
 * to the same thing. Told apart in the story from what the log's own ids prove.
 */
export const instructionFor = (event: RecordedEvent, events: readonly RecordedEvent[]): RecordedEvent | undefined => {
  const rule = RULES.find((one) => one.of.test(event.type));
  if (rule === undefined) return undefined;
  const wanted = rule.same.map((path) => valueAt(event.data, path)).filter((value) => typeof value === 'string');
  return events.findLast((one) => {
    if (one.position >= event.position || !rule.by.test(one.type)) return false;
    return rule.same.length === 0 || wanted.some((id) => one.data['instance_id'] === id || one.data['peer_id'] === id);
  });
};
