import {
  status,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { errorMessage, refusal, RefusedError, type Log, failpoint } from '#kernel';
import { agentV1 } from '#proto';
import type { AgentIdentity, EnrollmentHandler, PhaseHandler } from '../ports.js';
import type { SessionHub } from '../session/hub.js';
import { Encoded, type AgentStream, type Outgoing } from '../session/stream.js';
import { GrpcDuplex } from '../tunnel/grpc-duplex.js';
import type { Tunnels } from '../tunnel/tunnels.js';
import { callError, peerOf, type WithAuthContext } from './peer.js';
import { phaseRefusal, toServiceError } from './refusals.js';

/** As generated, but Sync takes messages that are encoded already. */
export const agentServiceDefinition: ServiceDefinition = {
  ...agentV1.AgentServiceService,
  sync: {
    ...agentV1.AgentServiceService.sync,
    responseSerialize: (value: Outgoing): Buffer =>
      value instanceof Encoded ? value.bytes : Buffer.from(agentV1.SyncResponse.encode(value).finish()),
  },
};

const OF_THE_END: ReadonlySet<agentV1.Phase> = new Set([agentV1.Phase.PHASE_WIPED, agentV1.Phase.PHASE_WIPE_STUCK]);

export interface AgentServiceDeps {
  readonly hub: SessionHub;
  readonly tunnels: Tunnels;
  readonly enrollment: () => EnrollmentHandler;
  readonly phaseHandlers: readonly PhaseHandler[];
  readonly log: Log;
}

type SyncCall = ServerDuplexStream<agentV1.SyncRequest, agentV1.SyncResponse> & WithAuthContext;
type TunnelCall = ServerDuplexStream<agentV1.TunnelRequest, agentV1.TunnelResponse> & WithAuthContext;

export class AgentService {
  constructor(private readonly deps: AgentServiceDeps) {}

  implementation(): UntypedServiceImplementation {
    const phase = this.unary('ReportPhase', (agent, request: agentV1.ReportPhaseRequest) => this.phase(agent, request));
    return {
      renewCertificate: this.unary('RenewCertificate', (agent, request: agentV1.RenewCertificateRequest) =>
        this.deps.enrollment().renew(agent, request),
      ),
      reportPhase: (
        call: ServerUnaryCall<agentV1.ReportPhaseRequest, agentV1.ReportPhaseResponse> & WithAuthContext,
        done: sendUnaryData<agentV1.ReportPhaseResponse>,
      ) => (OF_THE_END.has(call.request.phase) ? this.wiped(call, done) : phase(call, done)),
      sync: (call: SyncCall) => this.sync(call),
      tunnel: (call: TunnelCall) => this.tunnel(call),
    };
  }

  private sync(call: SyncCall): void {
    const peer = peerOf(call);
    if (peer === undefined)
      return void call.emit('error', callError(status.UNAUTHENTICATED, 'no instance in the certificate'));
    let over = false;
    const stream: AgentStream = {
      send: (message, flushed) => {
        if (over) return flushed();
        call.write(message as agentV1.SyncResponse, flushed);
      },
      end: () => {
        if (over) return;
        over = true;
        call.end();
      },
    };
    const session = this.deps.hub.accept(peer, stream);
    const ended = () => {
      over = true;
      session.onEnd();
    };
    call.on('data', (message: agentV1.SyncRequest) => session.onMessage(message));
    call.on('end', () => {
      // The agent has no more to say: the stream is over for both.
      stream.end();
      ended();
    });
    call.on('cancelled', ended);
    call.on('error', (error: Error) => {
      this.deps.log.warn({ instanceId: peer.instanceId, error: error.message }, 'sync stream failed');
      ended();
    });
  }

  private tunnel(call: TunnelCall): void {
    const fail = (code: status, details: string) => void call.emit('error', callError(code, details));
    this.identify(call).then(
      (agent) => {
        call.once('data', ({ message }: agentV1.TunnelRequest) => {
          call.pause();
          if (message?.$case !== 'tunnelId')
            return fail(status.INVALID_ARGUMENT, 'the first message must be tunnel_id');
          const attached = this.deps.tunnels.attach(agent.instanceId, message.value, () => new GrpcDuplex(call));
          if (!attached) fail(status.NOT_FOUND, 'the platform does not wait for this tunnel');
        });
      },
      (error: unknown) => call.emit('error', toServiceError(error, this.deps.log, 'Tunnel')),
    );
    call.on('error', (error: Error) => this.deps.log.debug({ error: error.message }, 'tunnel failed'));
  }

  private unary<Q, R>(name: string, run: (agent: AgentIdentity, request: Q) => Promise<R>) {
    return (call: ServerUnaryCall<Q, R> & WithAuthContext, done: sendUnaryData<R>): void => {
      this.identify(call)
        .then((agent) => run(agent, call.request))
        .then(
          (response) => done(null, response),
          (error: unknown) => done(toServiceError(error, this.deps.log, name)),
        );
    };
  }

  /** All that is heard from an agent whose instance is over; who it is decides the context that ended it. */
  private wiped(
    call: ServerUnaryCall<agentV1.ReportPhaseRequest, agentV1.ReportPhaseResponse> & WithAuthContext,
    done: sendUnaryData<agentV1.ReportPhaseResponse>,
  ): void {
    const heard = async (): Promise<agentV1.ReportPhaseResponse> => {
      const peer = peerOf(call);
      const enrollment = this.deps.enrollment();
      if (peer === undefined || enrollment.wiped === undefined)
        throw new RefusedError(refusal(401, 'no_identity', 'the certificate names no instance'));
      if (call.request.phase === agentV1.Phase.PHASE_WIPED) await enrollment.wiped(peer, call.request);
      else await enrollment.wipeStuck?.(peer, call.request.error);
      return { result: { $case: 'ack', value: agentV1.PhaseAck.fromPartial({}) } };
    };
    heard().then(
      (response) => done(null, response),
      (error: unknown) => done(toServiceError(error, this.deps.log, 'ReportPhase')),
    );
  }

  /** The certificate must name an instance and still be good; both are asked anew for every call. */
  private async identify(call: WithAuthContext): Promise<AgentIdentity> {
    const peer = peerOf(call);
    if (peer === undefined) throw new RefusedError(refusal(401, 'no_identity', 'the certificate names no instance'));
    const answer = await this.deps.enrollment().authorize(peer);
    if (answer.kind === 'refused') throw new RefusedError(refusal(403, answer.code, answer.message));
    return answer.agent;
  }

  private async phase(agent: AgentIdentity, request: agentV1.ReportPhaseRequest): Promise<agentV1.ReportPhaseResponse> {
    const handler = this.deps.phaseHandlers.find((h) => h.runtimes.includes(request.runtime));
    try {
      if (handler === undefined) {
        const known = this.deps.phaseHandlers.flatMap((h) => h.runtimes).map((r) => agentV1.Runtime[r]);
        const message = `runtime ${request.runtime} is not known here`;
        throw new RefusedError(
          refusal(422, 'unknown_runtime', message, { field: 'runtime', hint: `one of ${known.join(', ')}` }),
        );
      }
      await failpoint('phase.heard');
      const handled = await handler.handle(agent, request);
      await failpoint('phase.handled');
      return handled;
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      this.deps.log.warn(
        { instanceId: agent.instanceId, code: error.refusal.code, error: errorMessage(error) },
        'phase refused',
      );
      return { result: { $case: 'refusal', value: phaseRefusal(error.refusal) } };
    }
  }
}
