import type { RecordedEvent } from '#event-store';
import type { DesiredStateSource } from '#agent-gateway';
import { dockerSpec, type DockerSpec } from '#proto';

export const DOCKER_SECTION = 'docker';

interface Known {
  readonly accountId: string;
  readonly name: string;
  readonly assignment: { readonly id: string; readonly config: Readonly<Record<string, unknown>> } | null;
  readonly peers: readonly { readonly id: string; readonly address: string }[];
  readonly decommissioned: boolean;
  /** It was configured, or told as failed, since it was ready last. */
  readonly unsettled?: boolean;
}

/** What Docker on each node is to be, folded from the log: the `docker` section. */
export class DockerDirectory implements DesiredStateSource {
  readonly name = 'docker';
  private readonly instances = new Map<string, Known>();
  private readonly peerOf = new Map<string, string>();

  get(instanceId: string): Known | undefined {
    return this.instances.get(instanceId);
  }

  apply(event: RecordedEvent): Iterable<string> {
    const data = event.data as Record<string, string> & { config: Record<string, unknown> };
    const id = data['instance_id'] ?? '';
    switch (event.type) {
      case 'system.instance.created': {
        const none = { assignment: null, peers: [], decommissioned: false };
        this.instances.set(id, { accountId: event.meta.accountId, name: data['name'] ?? id, ...none });
        return [];
      }
      case 'system.docker.module.assigned':
        return this.change(id, () => ({
          assignment: { id: data['assignment_id']!, config: data.config },
          unsettled: true,
        }));
      case 'system.module.failed':
        return data['module_name'] === 'docker-engine' ? this.settle(id, false) : [];
      case 'system.docker.handshake.ready':
        return this.settle(id, true);
      case 'system.module.removed':
        return this.change(id, (known) =>
          known.assignment?.id === data['assignment_id'] ? { assignment: null } : undefined,
        );
      case 'system.docker.decommissioned':
        return this.change(id, () => ({ decommissioned: true }));
      case 'system.docker.host_requested':
        return this.change(id, (known) => (known.decommissioned ? { decommissioned: false } : undefined));
      case 'system.sdwan.peer.attached': {
        const peer = { id: data['peer_id']!, address: data['address_v6']! };
        this.peerOf.set(peer.id, id);
        return this.change(id, ({ peers }) => ({ peers: [...peers.filter((p) => p.id !== peer.id), peer] }));
      }
      case 'system.sdwan.peer.detached': {
        const peer = data['peer_id']!;
        const changed = this.change(this.peerOf.get(peer) ?? '', ({ peers }) => ({
          peers: peers.filter((p) => p.id !== peer),
        }));
        this.peerOf.delete(peer);
        return changed;
      }
      case 'system.instance.terminated':
      case 'system.instance.forgotten':
        this.instances.delete(id);
        return [id];
      default:
        return [];
    }
  }

  adopt(other: DockerDirectory): void {
    for (const [id, known] of other.instances) this.instances.set(id, known);
    for (const [peer, id] of other.peerOf) this.peerOf.set(peer, id);
  }

  compile(instanceId: string): ReadonlyMap<string, ReadonlyMap<string, unknown>> {
    const known = this.instances.get(instanceId);
    if (known === undefined || known.assignment === null) return new Map();
    const address = known.peers[0]?.address ?? '';
    const { config } = known.assignment;
    const options = config['daemon_options'];
    const spec: DockerSpec = {
      assignment_id: known.assignment.id,
      state: known.decommissioned ? 'stop' : address === '' ? 'wait' : 'run',
      reason: known.decommissioned ? 'decommissioned' : address === '' ? 'no SDWAN peer yet' : '',
      node_name: known.name,
      address,
      port: 2376,
      binary: typeof config['binary_path'] === 'string' ? config['binary_path'] : 'dockerd',
      ...(typeof config['socket_path'] === 'string' ? { socket_path: config['socket_path'] } : {}),
      daemon_options: typeof options === 'object' && options !== null ? { ...options } : {},
    };
    return new Map([[DOCKER_SECTION, new Map([['engine', dockerSpec.parse(spec)]])]]);
  }

  /** Nothing that is wanted of it. */
  private settle(id: string, isSettled: boolean): readonly string[] {
    const known = this.instances.get(id);
    if (known !== undefined) this.instances.set(id, { ...known, unsettled: !isSettled });
    return [];
  }

  private change(id: string, what: (known: Known) => Partial<Known> | undefined): Iterable<string> {
    const known = this.instances.get(id);
    const change = known === undefined ? undefined : what(known);
    if (known === undefined || change === undefined) return [];
    this.instances.set(id, { ...known, ...change });
    return known.assignment === null && change.assignment === undefined ? [] : [id];
  }
}
