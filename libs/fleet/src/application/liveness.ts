import type { InstanceId } from '#kernel';
import type { CommandContext, CommandDispatcher } from '#processing';
import type { AgentHello, AgentIdentity, AgentObserver } from '#agent-gateway';
import { RecordCloned, RecordLost, RecordOnline, RecordReturned } from './commands.js';
import type { FleetServices } from './services.js';

/** Turns what the gateway sees of agents into events: transitions only, never beats. */
export class LivenessObserver implements AgentObserver {
  constructor(
    private readonly services: Pick<FleetServices, 'clock' | 'ids' | 'log'>,
    private readonly dispatcher: CommandDispatcher,
  ) {}

  async onConnected({ hello, agent }: AgentHello): Promise<void> {
    const presence = {
      boot_id: hello.bootId,
      agent_version: hello.agentVersion,
      architecture: hello.architecture,
      hostname: hello.hostname,
      memory_bytes: Number(hello.memoryBytes),
      underlay_addresses: [...hello.underlayAddresses],
      capabilities: { ...hello.capabilities },
    };
    const payload = { instance_id: idOf(agent), presence };
    await this.send(agent, new RecordOnline(payload, this.context(agent)));
  }

  async onLost(agent: AgentIdentity, silentMs: number): Promise<void> {
    const payload = { instance_id: idOf(agent), silent_ms: silentMs };
    await this.send(agent, new RecordLost(payload, this.context(agent)));
  }

  async onReturned(agent: AgentIdentity): Promise<void> {
    await this.send(agent, new RecordReturned({ instance_id: idOf(agent) }, this.context(agent)));
  }

  async onCloned(agent: AgentIdentity, bootIds: readonly string[]): Promise<void> {
    const payload = { instance_id: idOf(agent), boot_ids: bootIds };
    await this.send(agent, new RecordCloned(payload, this.context(agent)));
  }

  /** A refusal here means that the instance is gone meanwhile; the gateway ends its stream on the next check. */
  private async send(
    agent: AgentIdentity,
    command: RecordOnline | RecordLost | RecordReturned | RecordCloned,
  ): Promise<void> {
    const result = await this.dispatcher.dispatch<object, void>(command);
    if (result.kind !== 'refused') return;
    this.services.log.warn({ instance: agent.instanceId, code: result.refusal.code }, 'liveness not recorded');
  }

  private context(agent: AgentIdentity): CommandContext {
    const commandId = this.services.ids.uuid();
    return {
      commandId,
      correlationId: commandId,
      causationId: commandId,
      accountId: agent.accountId,
      actor: { kind: 'agent', id: agent.instanceId },
      nowMs: this.services.clock.wallMs(),
    };
  }
}

const idOf = (agent: AgentIdentity) => agent.instanceId as InstanceId;
