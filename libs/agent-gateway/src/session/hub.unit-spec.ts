import { ManualClock, silentLog } from '#kernel';
import { agentV1 } from '#proto';
import { compileSection } from '../desired/compiled.js';
import type { AgentObserver } from '../ports.js';
import { SessionHub } from './hub.js';
import { Encoded, type AgentStream, type Outgoing } from './stream.js';

const beats = { beatMs: 1_000, leaseMs: 3_000, vipBeatMs: 200, vipLeaseMs: 600 };

/** A stream in memory; it flushes at once unless told to hold. */
class FakeStream implements AgentStream {
  readonly sent: agentV1.SyncResponse[] = [];
  readonly held: (() => void)[] = [];
  hold = false;
  ended = false;

  send(message: Outgoing, flushed: () => void): void {
    this.sent.push(message instanceof Encoded ? agentV1.SyncResponse.decode(message.bytes) : message);
    if (this.hold) this.held.push(flushed);
    else flushed();
  }

  end(): void {
    this.ended = true;
  }

  kinds(): string[] {
    return this.sent.map((m) => m.message!.$case);
  }
}

const setUp = (observer: AgentObserver = {}) => {
  const clock = new ManualClock(0);
  let generation = 1n;
  let value = 1;
  const hub = new SessionHub({
    clock,
    timers: clock,
    log: silentLog,
    storeEpoch: 'e',
    beats,
    authorize: async (peer) => ({ kind: 'ok', agent: { ...peer, accountId: 'a' } }),
    compile: () => ({ wanted: new Map([['s', compileSection('s', new Map([['k', { value }]]))]]), generation }),
    onStreamEnded: () => undefined,
    onTunnelFailed: () => undefined,
  });
  hub.observers.push(observer);
  hub.start();
  const connect = (hello: Partial<agentV1.Hello> = {}) => {
    const stream = new FakeStream();
    const session = hub.accept({ instanceId: 'i', certificateSerial: '1' }, stream);
    const say = (message: agentV1.SyncRequest['message']) => session.onMessage({ message });
    say({ $case: 'hello', value: agentV1.Hello.fromPartial({ bootId: 'b', startCounter: 1n, ...hello }) });
    const beat = () => say({ $case: 'heartbeat', value: agentV1.Heartbeat.create() });
    return { stream, session, say, beat };
  };
  const change = () => {
    generation += 1n;
    value += 1;
    hub.refresh('i', clock.monotonicMs());
  };
  return { clock, hub, connect, change };
};

describe('agents’ streams on a virtual clock', () => {
  it('gives agents of before the restart a window to come back, then counts them as lost', async () => {
    const lost: string[] = [];
    const { hub, clock } = setUp({ onLost: (agent) => void lost.push(agent.instanceId) });
    hub.expect([{ instanceId: 'old', accountId: 'a', certificateSerial: '1' }], 30_000);
    await clock.advance(29_000);
    expect(lost).toEqual([]);
    await clock.advance(2_000);
    expect(lost).toEqual(['old']);
  });

  it('keeps what an agent says before Welcome, and tells observers in order', async () => {
    const told: string[] = [];
    const { connect, clock } = setUp({
      onConnected: async () => void told.push('connected'),
      onPeerKey: (_, key) => void told.push(key.publicKey),
    });
    const { say, stream } = connect();
    say({ $case: 'peerKey', value: { networkId: 'n', publicKey: 'k1', listenPort: 1 } });
    say({ $case: 'peerKey', value: { networkId: 'n', publicKey: 'k2', listenPort: 1 } });
    await clock.advance(10);
    expect(told).toEqual(['connected', 'k1', 'k2']);
    expect(stream.kinds()).toEqual(['welcome', 'snapshot']);
  });

  it('tells at once what a virtual IP may wait for, also while events of before are not written yet', async () => {
    const told: string[] = [];
    const { connect, clock } = setUp({
      onObserved: () => new Promise<void>(() => undefined),
      onVotePromise: (_, promise) => void told.push(`vote ${promise.vipId}`),
      onVipAck: (_, ack) => void told.push(`ack ${ack.vipId}`),
      onLeaseBeat: (_, beat) => void told.push(`beat ${beat.vipId}`),
      onPeerKey: () => void told.push('key'),
    });
    const { say } = connect();
    await clock.advance(10);
    say({ $case: 'observed', value: agentV1.Observed.fromPartial({ networkId: 'n' }) });
    say({ $case: 'peerKey', value: { networkId: 'n', publicKey: 'k1', listenPort: 1 } });
    say({ $case: 'votePromise', value: agentV1.VotePromise.fromPartial({ vipId: 'v' }) });
    say({ $case: 'vipAck', value: agentV1.VipAck.fromPartial({ vipId: 'v' }) });
    say({ $case: 'leaseBeat', value: agentV1.LeaseBeat.fromPartial({ vipId: 'v' }) });
    expect(told).toEqual(['vote v', 'ack v', 'beat v']);
    await clock.advance(10);
    expect(told).toEqual(['vote v', 'ack v', 'beat v']);
  });

  it('ends the stream whose message an observer could not take in', async () => {
    const { connect, clock } = setUp({ onObserved: () => Promise.reject(new Error('no database')) });
    const { say, stream } = connect();
    say({ $case: 'observed', value: { networkId: 'n', peers: [], routing: undefined } });
    await clock.advance(10);
    expect(stream.sent.at(-1)!.message).toMatchObject({ $case: 'bye', value: { code: 'observer_failed' } });
    expect(stream.ended).toBe(true);
  });

  it('merges what changes while an agent does not read into one update, and lets priority messages pass', async () => {
    const { connect, change, hub, clock } = setUp();
    const { stream } = connect();
    await clock.advance(1);
    stream.hold = true;
    for (let i = 0; i < 50; i++) change();
    hub.records.get('i')!.session!.priority({ message: { $case: 'keySwitch', value: { networkId: 'n' } } });
    expect(stream.kinds()).toEqual(['welcome', 'snapshot', 'delta', 'keySwitch']);
    stream.hold = false;
    for (const flushed of stream.held.splice(0)) flushed();
    expect(stream.kinds()).toEqual(['welcome', 'snapshot', 'delta', 'keySwitch', 'delta']);
    const last = stream.sent.at(-1)!.message as { value: agentV1.Delta };
    expect(JSON.parse(String(last.value.put['k']))).toEqual({ value: 51 });
  });

  it('gives up on an agent that never reads its priority messages', async () => {
    const { connect, hub, clock } = setUp();
    const { stream } = connect();
    await clock.advance(1);
    stream.hold = true;
    const session = hub.records.get('i')!.session!;
    for (let i = 0; i < 1_100; i++) session.priority({ message: { $case: 'keySwitch', value: { networkId: 'n' } } });
    expect(stream.sent.at(-1)!.message).toMatchObject({ $case: 'bye', value: { code: 'too_slow' } });
  });

  it('waits for Hello only so long', async () => {
    const { hub, clock } = setUp();
    const stream = new FakeStream();
    hub.accept({ instanceId: 'i', certificateSerial: '1' }, stream);
    await clock.advance(5_001);
    expect(stream.sent[0]!.message).toMatchObject({ $case: 'bye', value: { code: 'hello_expected' } });
  });

  it('lets the same process back in after one silent beat of its half-open old stream', async () => {
    const disconnected: number[] = [];
    const { connect, clock } = setUp({ onDisconnected: () => void disconnected.push(1) });
    const old = connect();
    await clock.advance(1_000);
    const again = connect();
    await clock.advance(1_400);
    expect(again.stream.kinds()).toEqual([]);
    await clock.advance(200);
    expect(again.stream.kinds()).toEqual(['welcome', 'snapshot']);
    expect(old.stream.ended).toBe(true);
    expect(disconnected).toEqual([1]);
  });

  it('takes the newcomer at once when the challenged stream ends by itself', async () => {
    const { connect, clock } = setUp();
    const old = connect();
    await clock.advance(1_000);
    const again = connect({ bootId: 'b2' });
    await clock.advance(10);
    old.session.onEnd();
    expect(again.stream.kinds()).toEqual(['welcome', 'snapshot']);
  });
});

describe('an agent that sends too much', () => {
  it('is cut off for a field without measure, and heard with a long text cut short', async () => {
    const heard: string[] = [];
    const { connect, clock } = setUp({ onRuntimeHealth: (_, { detail }) => void heard.push(detail) });
    const honest = connect();
    await clock.advance(1);
    honest.say({ $case: 'runtimeHealth', value: agentV1.RuntimeHealth.fromPartial({ detail: 'x'.repeat(100_000) }) });
    await clock.advance(1);
    expect(heard.map((text) => text.length)).toEqual([1_000]);
    honest.say({ $case: 'peerKey', value: agentV1.PeerKey.fromPartial({ publicKey: 'x'.repeat(100_000) }) });
    expect(honest.stream.sent.at(-1)).toMatchObject({ message: { $case: 'bye', value: { code: 'malformed' } } });
  });

  it('may not make an event with every message, nor by connecting again', async () => {
    let heard = 0;
    const { connect, clock } = setUp({ onRuntimeHealth: () => void heard++ });
    const flood = connect();
    await clock.advance(1);
    for (let i = 0; i < 1_000; i++)
      flood.say({ $case: 'runtimeHealth', value: agentV1.RuntimeHealth.fromPartial({ ready: i % 2 === 0 }) });
    await clock.advance(1);
    expect(heard).toBeLessThan(100);
    expect(flood.stream.ended).toBe(true);
    const again = connect();
    await clock.advance(1);
    expect(again.stream.sent.at(-1)).toMatchObject({ message: { value: { code: 'too_many_streams' } } });
    await clock.advance(1_000);
    const later = connect();
    await clock.advance(1);
    expect(later.stream.kinds()).toContain('welcome');
  });

  it('does not fill the platform with names of sections', async () => {
    const { hub, connect, clock } = setUp();
    const { say } = connect();
    await clock.advance(1);
    for (let i = 0; i < 10_000; i++) {
      say({ $case: 'applied', value: agentV1.Applied.fromPartial({ section: `s${i}` }) });
      if (i % 1_000 === 0) await clock.advance(1);
    }
    expect(hub.records.get('i')!.receipts.size).toBe(4_096);
  });
});
