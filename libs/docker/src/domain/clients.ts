import { accept, nothing, type Decider, type Decision } from '#kernel';
import { DockerClientCaCreated, DockerClientIssued, type DockerEvent } from './events.js';

/** The authority of an account's Docker clients: one for good, whoever made it first. */
export interface DockerClients {
  readonly keyRef: string | null;
  readonly caPem: string | null;
}
export type DockerClientsCommand =
  | { readonly kind: 'create_ca'; readonly accountId: string; readonly keyRef: string; readonly caPem: string }
  | {
      readonly kind: 'issued';
      readonly accountId: string;
      readonly operatorId: string;
      readonly serial: string;
      readonly notAfter: string;
    };

const decide = (c: DockerClientsCommand, state: DockerClients): Decision<DockerEvent> => {
  const account_id = c.accountId as never;
  if (c.kind === 'create_ca')
    return state.caPem === null
      ? accept(DockerClientCaCreated({ account_id, key_ref: c.keyRef, ca_pem: c.caPem }))
      : nothing('made_before');
  const { operatorId: operator_id, serial: certificate_serial, notAfter: not_after } = c;
  return accept(DockerClientIssued({ account_id, operator_id, certificate_serial, not_after }));
};

export const dockerClientsDecider: Decider<DockerClients, DockerClientsCommand, DockerEvent> = {
  initial: { keyRef: null, caPem: null },
  evolve: (state, event) =>
    event.type === 'system.docker.client_ca_created' ? { keyRef: event.data.key_ref, caPem: event.data.ca_pem } : state,
  decide,
};
