import type { RecordedEvent } from '#event-store';
import { fleetInstances, type InstanceDoc } from './fleet-instances.js';

const id = 'instance-00000000-0000-4000-8000-000000000001';
const event = (type: string, data: object = {}, stream = id): RecordedEvent => {
  const meta = { occurredAt: '2026-01-01T00:00:00.000Z', accountId: 'a' };
  return { type: `system.${type}`, stream, data: { instance_id: id, ...data }, meta } as unknown as RecordedEvent;
};
const module = { module_name: 'k3s-agent', assignment_id: 'm1', config: {}, priority: 100 };
const presence = { boot_id: 'b', agent_version: '1', architecture: 'amd64', hostname: 'h', memory_bytes: 1 };
const alive = [
  event('instance.created', { node_id: 'n', name: 'w1', template_id: 't', driver: 'existing', cni_plugin: null }),
  event('instance.online', { ...presence, underlay_addresses: [], capabilities: {} }),
  event('k3s.module.assigned', module),
  event('k3s.handshake.ready', { role: 'agent' }, 'cluster-1'),
];
const after = (...events: RecordedEvent[]) => {
  let doc: InstanceDoc | undefined;
  for (const one of [...alive, ...events]) doc = fleetInstances.fold(doc, one, id) as InstanceDoc | undefined;
  const { last_error, next_action, modules } = doc!;
  return { last_error, next_action, module: modules[0]!.status, error: modules[0]!.error };
};
const well = { last_error: null, next_action: null, module: 'running', error: null };
const notReady = event('k3s.node.not_ready', { reason: 'it does not run' }, 'cluster-1');
const failed = event('module.failed', { module_name: 'k3s-agent', reason: 'no room' });
const ready = event('k3s.node.ready', {}, 'cluster-1');

describe('what is said of a machine whose module is in trouble', () => {
  it('is what to do, for as long as it lasts', () => {
    expect(after()).toEqual(well);
    const next_action = expect.stringContaining('by itself');
    expect(after(notReady)).toEqual({ last_error: null, next_action, module: 'degraded', error: 'it does not run' });
    expect(after(notReady, ready)).toEqual(well);
    const silent = event('k3s.node.not_ready', { reason: 'no sign of life for 3000 ms' }, 'cluster-1');
    expect(after(silent, notReady).error).toBe('it does not run');
  });

  it('is over with the trouble, also where it had counted as failed', () => {
    const next_action = expect.stringContaining('by itself');
    expect(after(notReady, failed)).toEqual({
      last_error: 'k3s-agent: no room',
      next_action,
      module: 'failed',
      error: 'no room',
    });
    expect(after(notReady, failed, ready)).toEqual(well);
    // That this is told on its own stream as well says nothing new of what runs already, or is in trouble again.
    const told = event('module.recovered', { ...module, from: 'failed', to: 'running' });
    expect(after(notReady, failed, ready, told)).toEqual(well);
    expect(after(notReady, failed, ready, notReady, told)).toMatchObject({ module: 'degraded' });
    const gone = event('module.removed', { module_name: 'k3s-agent', assignment_id: 'm1', reason: 'unassigned' });
    expect(after(failed, gone)).toMatchObject({ last_error: null, next_action: null });
  });

  it('is over with what could not be stopped, and what is said of other things later stays said', () => {
    const stuck = event('module.stop_stuck', { module_name: 'docker-engine', reason: 'busy', next_action: 'look' });
    const stopped = event('module.stopped', { module_name: 'docker-engine' });
    expect(after(stuck).last_error).toContain('cannot be stopped: busy');
    expect(after(stuck, stopped)).toMatchObject({ last_error: null, next_action: null });
    expect(after(stuck, stopped, failed, event('instance.uncordoned')).last_error).toBe('k3s-agent: no room');
  });
});
