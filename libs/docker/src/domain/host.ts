import { accept, assertNever, nothing, refusal, reject, type Decider, type Decision } from '#kernel';
import {
  DockerCertSigned,
  DockerDecommissioned,
  DockerHostRequested,
  DockerProvisioned,
  DockerReady,
  DockerStopped,
  DockerWantsCert,
  type DockerEvent,
} from './events.js';

export interface DockerHost {
  readonly status: 'pending' | 'connected' | 'stopped' | 'decommissioned';
  readonly hostId: string;
  readonly instanceId: string;
  readonly name: string;
  readonly address: string;
  readonly apiEndpoint: string;
  readonly version: string | null;
  readonly certificateNotAfter: string | null;
  readonly certificateSerial: string | null;
  /** Of the key that the last certificate was signed for. */
  readonly publicKeyDigest: string | null;
  readonly provisioned: boolean;
  /** Counts what was wanted of it: that it be there, that it be gone, and so on; and how much of that is the case. */
  readonly generation: number;
  readonly observed: number | null;
}
export type DockerHostState = { readonly status: 'absent' } | DockerHost;
export const noHost: DockerHostState = { status: 'absent' };

export type DockerHostCommand =
  | { readonly kind: 'request'; hostId: string; instanceId: string; name: string; address: string }
  | { readonly kind: 'wants_cert'; readonly publicKeyDigest: string; readonly address: string }
  | {
      readonly kind: 'cert_signed';
      readonly serial: string;
      readonly publicKeyDigest: string;
      readonly notAfter: string;
    }
  /** `anew`: it was configured, or told as failed, since it was ready last. */
  | { readonly kind: 'ready'; readonly version: string; readonly anew?: boolean }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'decommission' };

export const evolveHost = (state: DockerHostState, event: DockerEvent): DockerHostState => {
  if (event.type === 'system.docker.host_requested') {
    const { docker_host_id: hostId, instance_id: instanceId, name, address, api_endpoint: apiEndpoint } = event.data;
    const none = { version: null, certificateNotAfter: null, certificateSerial: null, publicKeyDigest: null };
    const counted = state.status === 'absent' ? 0 : state.generation;
    const observed = counted === 0 ? null : counted;
    const wanted = { provisioned: false, generation: counted + 1, observed };
    return { status: 'pending', hostId, instanceId, name, address, apiEndpoint, ...none, ...wanted };
  }
  if (state.status === 'absent') return state;
  switch (event.type) {
    case 'system.docker.handshake.cert_signed': {
      const { not_after: certificateNotAfter, certificate_serial: certificateSerial } = event.data;
      return { ...state, certificateNotAfter, certificateSerial, publicKeyDigest: event.data.public_key_digest };
    }
    case 'system.docker.handshake.ready':
      return { ...state, status: 'connected', version: event.data.version, observed: state.generation };
    case 'system.docker.provisioned':
      return { ...state, provisioned: true };
    case 'system.docker.handshake.stopped':
      return {
        ...state,
        status: state.status === 'decommissioned' ? state.status : 'stopped',
        observed: state.generation,
      };
    case 'system.docker.decommissioned':
      return { ...state, status: 'decommissioned', generation: state.generation + 1 };
    default:
      return state;
  }
};

export const endpointOf = (address: string): string => `tcp://[${address}]:2376`;

type About = { readonly docker_host_id: never; readonly instance_id: never };
const about = (state: DockerHost): About => ({
  docker_host_id: state.hostId as never,
  instance_id: state.instanceId as never,
});

const request = (c: Extract<DockerHostCommand, { kind: 'request' }>, state: DockerHostState): Decision<DockerEvent> => {
  if (state.status !== 'absent' && state.status !== 'decommissioned' && state.address === c.address)
    return nothing('requested_before');
  const { hostId, instanceId, name, address } = c;
  const ids = { docker_host_id: hostId as never, instance_id: instanceId as never };
  return accept(
    DockerHostRequested(
      { ...ids, name, address, api_endpoint: endpointOf(address) },
      { links: { instance: instanceId } },
    ),
  );
};

const decide = (c: DockerHostCommand, state: DockerHostState): Decision<DockerEvent> => {
  if (c.kind === 'request') return request(c, state);
  if (state.status === 'absent')
    return reject(
      refusal(404, 'docker_host_not_found', 'there is no such Docker host', {
        field: 'host_id',
        hint: 'system_list_managed_docker_hosts shows them',
      }),
    );
  const links = { links: { instance: state.instanceId } };
  if (c.kind === 'decommission')
    return state.status === 'decommissioned'
      ? nothing('decommissioned_before')
      : accept(DockerDecommissioned({ ...about(state), name: state.name }, links));
  if (c.kind === 'stopped')
    return state.status === 'stopped' ? nothing('stopped_before') : accept(DockerStopped(about(state), links));
  if (state.status === 'decommissioned')
    return reject(
      refusal(409, 'docker_host_decommissioned', `${state.name} was decommissioned`, {
        hint: 'system_provision_docker_runtime brings it back',
      }),
    );
  switch (c.kind) {
    case 'wants_cert':
      return accept(
        DockerWantsCert({ ...about(state), public_key_digest: c.publicKeyDigest, address: c.address }, links),
      );
    case 'cert_signed':
      return accept(
        DockerCertSigned(
          {
            ...about(state),
            certificate_serial: c.serial,
            public_key_digest: c.publicKeyDigest,
            not_after: c.notAfter,
          },
          links,
        ),
      );
    case 'ready': {
      if (state.status === 'connected' && state.version === c.version && c.anew !== true)
        return nothing('ready_before');
      const ready = DockerReady({ ...about(state), version: c.version }, links);
      const { name, apiEndpoint: api_endpoint } = state;
      return state.provisioned
        ? accept(ready)
        : accept<DockerEvent>(ready, DockerProvisioned({ ...about(state), name, api_endpoint }, links));
    }
    default:
      return assertNever(c);
  }
};

export const dockerHostDecider: Decider<DockerHostState, DockerHostCommand, DockerEvent> = {
  initial: noHost,
  evolve: evolveHost,
  decide,
};
