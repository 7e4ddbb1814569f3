import { deterministicUuid, refusal, RefusedError, type Clock, type InstanceId } from '#kernel';
import type { CertificateAuthority } from '#access';
import type { AgentIdentity, PhaseHandler } from '#agent-gateway';
import { RecordInstalling, RecordRuntimeFailed, RecordRuntimeStop } from '#fleet';
import type { CommandContext, CommandDispatcher } from '#processing';
import { agentV1 } from '#proto';
import type { DockerClientCa } from './client-ca.js';
import type { DockerDirectory } from './directory.js';
import { hostIdOf, missingPeer, type DockerHosts } from './hosts.js';

const { Phase, Runtime } = agentV1;
const MODULE = 'docker-engine';
const LIFE_MS = 90 * 86_400_000;
const MAX_CSR = 8 * 1024;
const MAX_VERSION = 128;

/** Docker's handshake: installing, wants_cert, ready, stopped. The same phase again gives an answer as good as the first. */
export class DockerHandshake implements PhaseHandler {
  readonly runtimes = [Runtime.RUNTIME_DOCKER];

  constructor(
    private readonly deps: {
      readonly directory: DockerDirectory;
      readonly hosts: DockerHosts;
      readonly clients: DockerClientCa;
      readonly authority: CertificateAuthority;
      readonly dispatcher: CommandDispatcher;
      readonly clock: Clock;
    },
  ) {}

  async handle(agent: AgentIdentity, request: agentV1.ReportPhaseRequest): Promise<agentV1.ReportPhaseResponse> {
    const ack = await this.answer(agent, request);
    return { result: { $case: 'ack', value: agentV1.PhaseAck.fromPartial(ack) } };
  }

  private async answer(agent: AgentIdentity, request: agentV1.ReportPhaseRequest): Promise<Partial<agentV1.PhaseAck>> {
    const instance_id = agent.instanceId as InstanceId;
    const known = this.deps.directory.get(instance_id);
    const isStopping =
      request.phase === Phase.PHASE_STOPPED || (request.phase === Phase.PHASE_FAILED && request.stopping);
    // What nobody assigns any more may still have to be stopped, and how that goes is heard.
    if (known !== undefined && isStopping) return this.stopping(instance_id, request);
    if (known?.assignment == null)
      throw new RefusedError(
        refusal(403, 'module_not_assigned', `${MODULE} is not assigned to ${instance_id}`, { field: 'runtime' }),
      );
    const context = this.context(agent, request);
    const step = (name: string) => ({ ...context, commandId: deterministicUuid('step', context.commandId, name) });
    const hostId = hostIdOf(instance_id);
    switch (request.phase) {
      case Phase.PHASE_INSTALLING:
        await this.send(new RecordInstalling({ instance_id, module_name: MODULE }, step('installing')));
        return {};
      case Phase.PHASE_FAILED: {
        const reason = request.error.slice(0, 500);
        await this.send(new RecordRuntimeFailed({ instance_id, module_name: MODULE, reason }, step('failed')));
        return {};
      }
      case Phase.PHASE_WANTS_CERT: {
        const address = known.peers[0]?.address;
        if (address === undefined) throw new RefusedError(missingPeer(known.name));
        return this.sign(instance_id, address, request, step);
      }
      case Phase.PHASE_READY: {
        const version = request.version.slice(0, MAX_VERSION);
        const ready = { kind: 'ready', version, anew: known.unsettled === true } as const;
        const done = await this.deps.hosts.apply(hostId, ready, step('ready'));
        const endpoint = done.state.status === 'absent' ? '' : done.state.apiEndpoint;
        return { nodeId: hostId, nodeStatus: done.state.status, apiEndpoint: endpoint };
      }
      default:
        throw new RefusedError(
          refusal(422, 'phase_not_allowed', `docker has no phase ${Phase[request.phase] ?? request.phase}`, {
            field: 'phase',
            hint: 'allowed: installing, wants_cert, ready, stopped, failed',
          }),
        );
    }
  }

  private async stopping(
    instance_id: InstanceId,
    request: agentV1.ReportPhaseRequest,
  ): Promise<Partial<agentV1.PhaseAck>> {
    const hostId = hostIdOf(instance_id);
    const agent = { instanceId: instance_id, accountId: this.deps.directory.get(instance_id)!.accountId };
    const context = this.context(agent, request);
    // Of a second stop the words may be those of the first; what was told is for the streams to decide.
    const step = (name: string) => {
      const commandId = deterministicUuid('step', context.commandId, name, context.nowMs);
      return { ...context, commandId };
    };
    const stuck = request.phase === Phase.PHASE_FAILED ? request.error.slice(0, 500) : null;
    await this.send(new RecordRuntimeStop({ instance_id, module_name: MODULE, stuck }, step('runtime_stop')));
    // One that never asked for a certificate is no host yet.
    const isHost = (await this.deps.hosts.read(hostId)) !== undefined;
    if (stuck === null && isHost) await this.deps.hosts.apply(hostId, { kind: 'stopped' }, step('stopped'));
    return { nodeId: hostId };
  }

  /** The names come from the platform's own record: a node is given a certificate for its own address and nothing else. */
  private async sign(
    instanceId: string,
    address: string,
    request: agentV1.ReportPhaseRequest,
    step: (name: string) => CommandContext,
  ): Promise<Partial<agentV1.PhaseAck>> {
    const { hosts, authority, clients } = this.deps;
    const csr = derOf(request.csrPem);
    const { publicKeyDigest } = await authority.readCsr(csr);
    await hosts.request(instanceId, step('request'));
    const hostId = hostIdOf(instanceId);
    await hosts.apply(hostId, { kind: 'wants_cert', publicKeyDigest, address }, step('wants_cert'));
    const caPem = await clients.caPem(step('client_ca'));
    const issued = await authority.issueRuntimeCertificate([address], csr, LIFE_MS);
    const { serial, notAfter } = issued;
    await hosts.apply(hostId, { kind: 'cert_signed', serial, publicKeyDigest, notAfter }, step('cert_signed'));
    return {
      certificatePem: pemOf(issued.certificateDer),
      caChainPem: authority.caPem(),
      caPem,
      nodeId: hostId,
    };
  }

  private async send(command: Parameters<CommandDispatcher['dispatch']>[0]): Promise<void> {
    const result = await this.deps.dispatcher.dispatch(command);
    if (result.kind === 'refused') throw new RefusedError(result.refusal);
  }

  private context(
    agent: Pick<AgentIdentity, 'instanceId' | 'accountId'>,
    request: agentV1.ReportPhaseRequest,
  ): CommandContext {
    const commandId = deterministicUuid('docker_phase', agent.instanceId, request.phase, request.requestId);
    return {
      commandId,
      correlationId: commandId,
      causationId: request.requestId || commandId,
      accountId: agent.accountId,
      actor: { kind: 'agent', id: agent.instanceId },
      nowMs: this.deps.clock.wallMs(),
    };
  }
}

const derOf = (pem: string): Uint8Array => {
  const body = /-----BEGIN CERTIFICATE REQUEST-----([\s\S]+?)-----END CERTIFICATE REQUEST-----/.exec(pem)?.[1];
  if (body === undefined || pem.length > MAX_CSR)
    throw new RefusedError(
      refusal(422, 'invalid_csr', 'csr_pem is no certificate request', { field: 'csr_pem', hint: 'PKCS #10 as PEM' }),
    );
  return Buffer.from(body, 'base64');
};

const pemOf = (der: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der)
    .toString('base64')
    .replace(/(.{64})/g, '$1\n')
    .trimEnd()}\n-----END CERTIFICATE-----\n`;
