import { RefusedError } from '#kernel';
import type { AgentIdentity, AgentObserver, PhaseHandler } from '#agent-gateway';
import type { EventStore, Position } from '#event-store';
import { ToolRegistry, catalogueDigest, MAX_ANSWER_BYTES } from '#tools';
import { fits, trimmed } from '../../../../../libs/agent-gateway/src/session/bounds.js';
import { hear, type Hearing } from '../../../../../libs/agent-gateway/src/session/hear.js';
import type { AgentRecord } from '../../../../../libs/agent-gateway/src/session/agent-record.js';
import type { Session } from '../../../../../libs/agent-gateway/src/session/session.js';
import type { Tunnels } from '../../../../../libs/agent-gateway/src/tunnel/tunnels.js';
import type { Foundation } from '../../foundation.js';
import type { TestPlatform } from '../../testing/test-platform.js';
import { nodeWritableTexts } from './node-fields.js';
import { NODE_WRITES, type NodeWrite } from './node-writes.js';

interface HostileTexts {
  readonly texts: readonly string[];
  /** What must not be left of them where assistants read. */
  readonly hidden: RegExp;
}

/** What nodes write is told as data, bounded, and changes nothing of what tools are or do. */
export const hostileCases = (platform: () => TestPlatform, { texts, hidden }: HostileTexts): void => {
  const inside = <T>(part: string): T => Reflect.get(platform().platform.foundation.gateway, part) as T;
  const read = async <T>(tool: string, args: object): Promise<T> => {
    const { body } = await platform().rest(tool, args);
    if (!body.success) throw new Error(`${tool}: ${JSON.stringify(body.error)}`);
    return body.data as T;
  };

  it('has a case for every text that the protocol lets a node send', () => {
    expect(Object.keys(NODE_WRITES).sort()).toEqual(nodeWritableTexts());
    expect(Object.keys(NODE_WRITES).length).toBeGreaterThan(50);
  });

  it(`is left cold by ${texts.length} strings in each of those`, async () => {
    expect(new Set(texts).size).toBeGreaterThanOrEqual(300);
    const { platform: running } = platform();
    const registry = running.app.get(ToolRegistry);
    const digest = () => catalogueDigest(registry.list(new Set(['*'])));
    const { instance } = await read<{ instance: { id: string } }>('system_get_instance', { id: 'gw-1' });
    const { virtual_ip: vip } = await read<{ virtual_ip: { id: string; network_id: string } }>(
      'system_sdwan_get_virtual_ip',
      { virtual_ip_id: 'k3s_api_endpoint' },
    );
    const { network } = await read<{ network: { id: string } }>('system_sdwan_get_network', {
      network_id: 'k3s-prod-net',
    });
    const { id } = instance;
    const before = { digest: digest(), destroyed: await destroyed() };
    const { store } = running.foundation;
    const head = await store.head();
    let accountId = '';
    for await (const event of store.readStream(id)) accountId = event.meta.accountId;
    const agent: AgentIdentity = { instanceId: id, accountId, certificateSerial: '1' };
    const node = hostileNode(running.foundation, agent);
    for (const write of Object.values(NODE_WRITES)) {
      for (const text of texts) await node.send(write(text, { network: network.id, vip: vip.id }));
      // Connections that were kept and have ended meanwhile are noticed, not used again.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(node.failures).toEqual([]);
    expect(node.sent).toBe(texts.length * Object.keys(NODE_WRITES).length);
    // What of it was written down is bounded, and in the node's own account.
    for await (const { data, meta, type } of eventsAfter(store, head)) {
      expect([type, Buffer.byteLength(JSON.stringify(data)) < 64_000]).toEqual([type, true]);
      expect(['system.access', 'system.operator', 'system.approval'].some((kind) => type.startsWith(kind))).toBe(false);
      expect(meta.accountId).toBe(accountId);
    }
    const client = await platform().mcp();
    const reads: [string, object][] = [
      ['system_get_instance', { id }],
      ['system_list_instances', {}],
      ['system_sdwan_get_routing_summary', { network_id: network.id }],
      ['recent_events', { limit: 200 }],
      ['explain', { subject: id }],
    ];
    for (const [name, args] of reads) {
      const shown = await client.callTool({ name, arguments: args as Record<string, unknown> });
      expect([name, shown.isError ?? false]).toEqual([name, false]);
      expect(JSON.stringify(shown)).not.toMatch(hidden);
      // Twice: as text and as structured content.
      expect(Buffer.byteLength(JSON.stringify(shown))).toBeLessThan(2 * MAX_ANSWER_BYTES + 20_000);
      expect((shown as { _meta?: object })._meta).toHaveProperty(['drover/untrusted']);
    }
    const { tools } = await client.listTools();
    expect(JSON.stringify(tools)).not.toMatch(/ignore all previous|evil\.example/i);
    await client.close();
    expect({ digest: digest(), destroyed: await destroyed() }).toEqual(before);
  }, 240_000);

  const hub = () => inside<Hearing & { observers: AgentObserver[] }>('hub');

  /** A node on a session that is past its handshake, as fast as it can: through the bounds, then to whoever listens. */
  const hostileNode = (foundation: Foundation, agent: AgentIdentity) => {
    const failures: unknown[] = [];
    let sent = 0;
    const tried = async (work: () => unknown): Promise<void> => {
      try {
        await work();
      } catch (error) {
        if (!(error instanceof RefusedError)) failures.push(error);
      }
    };
    const told = async (tell: (observer: AgentObserver) => unknown): Promise<void> => {
      for (const observer of hub().observers) await tried(() => tell(observer));
    };
    const hearing: Promise<void>[] = [];
    const always = { take: () => true };
    const tellObservers = (tell: (observer: AgentObserver, who: AgentIdentity) => unknown) =>
      void hearing.push(told((observer) => tell(observer, agent)));
    const record = {
      ...{ agent, news: always, logLines: always, adopt: () => undefined, receive: () => undefined },
      ...{ notify: tellObservers, tell: tellObservers },
    };
    const session = { priority: () => undefined, bye: () => undefined, resync: () => undefined };
    const sync = async (message: Extract<NodeWrite, { kind: 'sync' }>['message']): Promise<void> => {
      // Too long for its field: the session says goodbye, and nobody hears of it.
      if (!fits(message)) return;
      const heard = trimmed(message);
      hear(hub(), record as unknown as AgentRecord, session as unknown as Session, heard);
      if (heard.$case === 'hello') await told((o) => o.onConnected?.({ hello: heard.value, agent }));
      await Promise.all(hearing.splice(0));
    };
    const send = async (write: NodeWrite): Promise<void> => {
      sent++;
      if (write.kind === 'sync') return tried(() => sync(write.message));
      if (write.kind === 'enroll') return tried(() => foundation.enrollment.get().enroll(write.request));
      if (write.kind === 'tunnel')
        return tried(() => inside<Tunnels>('tunnels').attach(agent.instanceId, write.tunnelId, notReached));
      const { request } = write;
      const handler = inside<PhaseHandler[]>('phaseHandlers').find((h) => h.runtimes.includes(request.runtime));
      return tried(() => handler!.handle(agent, request));
    };
    return {
      send,
      failures,
      get sent() {
        return sent;
      },
    };
  };

  const destroyed = async (): Promise<string[]> => {
    const { body } = await platform().rest('recent_events', { limit: 500 });
    const { events } = body.data as unknown as { events: { kind: string }[] };
    return events
      .map(({ kind }) => kind)
      .filter((kind) => /terminated|forgotten|decommissioned|approved|deleted/.test(kind));
  };
};

const notReached = (): never => {
  throw new Error('a tunnel that nobody waits for was attached');
};

async function* eventsAfter(store: EventStore, position: Position) {
  for (let after = position; ;) {
    const { events } = await store.readAll(after, { limit: 1_000 });
    yield* events;
    if (events.length === 0) return;
    after = events.at(-1)!.position;
  }
}
