import { deterministicUuid } from '#kernel';
import { position, type RecordedEvent } from '#event-store';
import { sampleId } from './samples.js';
import type { Envelope } from './envelopes.js';

/** What has usually happened before anything else does: most folds do nothing for things that were never made. */
export const BEFORE = [
  'system.account.created',
  'system.operator.created',
  'system.template.created',
  'system.template.module_assigned',
  'system.node.created',
  'system.instance.created',
  'system.instance.provision_requested',
  'system.instance.join_token_issued',
  'system.instance.enrolled',
  'system.instance.online',
  'system.k3s.module.assigned',
  'system.sdwan.network.created',
  'system.sdwan.peer.attached',
  'system.sdwan.peer.key_announced',
  'system.sdwan.virtual_ip.reserved',
  'system.sdwan.virtual_ip.candidates_changed',
  'system.sdwan.virtual_ip.allocated',
  'system.cluster.claimed',
  'system.k3s.handshake.bootstrap',
  'system.k3s.cluster.bootstrapped',
  'system.k3s.handshake.ready',
  'system.sdwan.access_grant.created',
];

const RECORDED_AT = '2026-01-02T03:04:06.000Z';
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/**
 * A log in which `subject` happens: after what usually came before, or as one of those. Every world has ids of its own, so
 * that one fold can be shown many of them.
 */
export class Worlds {
  private positions = 0n;
  private count = 0;

  constructor(private readonly usual: ReadonlyMap<string, Envelope>) {}

  with(subject: Envelope): RecordedEvent[] {
    this.count += 1;
    const before = BEFORE.map((type) => (type === subject.type ? subject : this.usual.get(type)!));
    const all = BEFORE.includes(subject.type) ? before : [...before, subject];
    const lengths = new Map<string, number>();
    return all.map((envelope) => this.recorded(envelope, lengths));
  }

  instanceId(): string {
    return this.renamed(sampleId('instance'));
  }

  private recorded(envelope: Envelope, lengths: Map<string, number>): RecordedEvent {
    const event = JSON.parse(this.renamed(JSON.stringify(envelope))) as Envelope;
    const version = (lengths.get(event.stream) ?? 0) + 1;
    lengths.set(event.stream, version);
    this.positions += 1n;
    return { ...event, version, position: position(this.positions), recordedAt: RECORDED_AT };
  }

  private renamed(text: string): string {
    return text.replace(UUID, (uuid) => deterministicUuid('world', this.count, uuid));
  }
}
