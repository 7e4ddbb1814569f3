import type { RecordedEvent } from '#event-store';
import type { ProcessInput, ProcessOutput } from '#processing';
import { peerDecider, type PeerCommand } from '../domain/peer/decide.js';
import { code, drive, net, uuid } from '../domain/testing/drive.js';
import { peerDeadlines } from './peer-deadlines.js';

const peer_id = `sdwan_peer-${uuid(1)}` as const;
const instance_id = `instance-${uuid(1)}` as const;
const network_id = net(1) as `sdwan_network-${string}`;
const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
const event = (type: string, minute: number, data: object): ProcessInput => ({
  kind: 'event',
  event: { type, data, meta: { occurredAt: at(minute), links: { instance: instance_id } } } as unknown as RecordedEvent,
});
const ofPeer = (what: string, minute: number, data: object = {}) =>
  event(`system.sdwan.peer.${what}`, minute, { peer_id, network_id, ...data });
const ofInstance = (what: string, minute: number) => event(`system.instance.${what}`, minute, { instance_id });

/** When the timers are due after all of these, in minutes, by stage. */
const due = (...inputs: ProcessInput[]): Record<string, number> => {
  let { initial: state } = peerDeadlines;
  const set = new Map<string, readonly [string, number]>();
  for (const input of inputs) {
    const next = peerDeadlines.react(state, input);
    state = next.state;
    for (const output of next.outputs as readonly ProcessOutput[]) {
      if (output.kind === 'cancel_timer') set.delete(output.name);
      if (output.kind === 'timer')
        set.set(output.name, [String(output.data!['stage']), (output.dueMs - Date.parse(at(0))) / 60_000]);
    }
  }
  return Object.fromEntries(set.values());
};

const online = ofInstance('online', 1);
const attached = ofPeer('attached', 2, { kind: 'node', public_key: null });
const announced = ofPeer('key_announced', 3);

describe('a peer that comes no further', () => {
  it('has its time for each stage, while its machine is there', () => {
    expect(due(attached)).toEqual({});
    expect(due(attached, ofInstance('online', 20))).toEqual({ pending: 25 });
    expect(due(online, attached)).toEqual({ pending: 7 });
    expect(due(online, attached, announced)).toEqual({ handshaking: 8 });
    expect(due(online, attached, announced, ofPeer('key_announced', 6))).toEqual({ handshaking: 8 });
    expect(due(online, attached, announced, ofPeer('connected', 4))).toEqual({});
    expect(due(online, attached, announced, ofPeer('detached', 4))).toEqual({});
    expect(due(online, attached, announced, ofInstance('lost', 4))).toEqual({});
    expect(due(online, attached, announced, ofInstance('lost', 4), ofInstance('returned', 30))).toEqual({
      handshaking: 35,
    });
  });

  it('has a quarter of an hour for a change of its key, and a device needs no machine', () => {
    const up = [online, attached, announced, ofPeer('connected', 4)];
    const rotating = ofPeer('key_rotation_requested', 10);
    expect(due(...up, rotating)).toEqual({ changing_key: 25 });
    expect(due(...up, rotating, ofPeer('key_retired', 11))).toEqual({});
    expect(due(ofPeer('attached', 2, { kind: 'device', public_key: 'k' }))).toEqual({ handshaking: 7 });
  });

  it('is told of once for each stay, with the reason and what comes next', () => {
    const data = {
      ...{ peer_id, network_id, kind: 'node' as const, instance_id, grant_id: null, name: 'a', tags: [] },
      ...{ address_v6: 'fd00::1:0', address_v4: '100.64.0.16', publicly_reachable: false, public_key: null },
      ...{ endpoint_host: null, endpoint_port: null, listen_port: 51820 },
    };
    const overdue = (stage: 'pending' | 'handshaking', minute: number): PeerCommand => ({
      ...{ kind: 'overdue', stage, since: at(minute), boundMs: 300_000 },
    });
    const key = Buffer.alloc(32, 7).toString('base64');
    const { answers, state } = drive(peerDecider, [
      { kind: 'attach', data },
      overdue('handshaking', 2),
      overdue('pending', 2),
      overdue('pending', 2),
    ]);
    expect(answers.map(code)).toEqual(['accept', 'left_or_reported', 'accept', 'left_or_reported']);
    const first = peerDecider.decide(overdue('pending', 2), drive(peerDecider, [{ kind: 'attach', data }]).state);
    if (first.kind !== 'accept') throw new Error(first.kind);
    expect(first.events[0]).toMatchObject({
      type: 'system.sdwan.peer.overdue',
      data: {
        ...{ state: 'pending', bound_seconds: 300 },
        ...{ reason: expect.stringContaining('announced no key'), next_action: expect.stringContaining('log') },
      },
    });
    expect(state).toMatchObject({ overdue: { stage: 'pending', since: at(2) } });
    const left = drive(peerDecider, [
      { kind: 'attach', data },
      overdue('pending', 2),
      { kind: 'announce_key', publicKey: key, listenPort: 51820 },
    ]);
    expect(left.state).toMatchObject({ status: 'handshaking', overdue: null });
  });
});
