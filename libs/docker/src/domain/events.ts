import { z } from 'zod';
import { defineEvent, idSchema, type EventOf } from '#kernel';

const host = { docker_host_id: idSchema('docker_host'), instance_id: idSchema('instance') };

/** The platform wants Docker to run there: asked for by an operator, or by the module's first sign of life. */
export const DockerHostRequested = defineEvent(
  'system.docker.host_requested',
  1,
  z.object({ ...host, name: z.string(), address: z.string(), api_endpoint: z.string() }),
);
export const DockerWantsCert = defineEvent(
  'system.docker.handshake.wants_cert',
  1,
  z.object({ ...host, public_key_digest: z.string(), address: z.string() }),
);
export const DockerCertSigned = defineEvent(
  'system.docker.handshake.cert_signed',
  1,
  z.object({ ...host, certificate_serial: z.string(), public_key_digest: z.string(), not_after: z.iso.datetime() }),
);
export const DockerReady = defineEvent('system.docker.handshake.ready', 1, z.object({ ...host, version: z.string() }));
export const DockerProvisioned = defineEvent(
  'system.docker.provisioned',
  1,
  z.object({ ...host, name: z.string(), api_endpoint: z.string() }),
);
export const DockerStopped = defineEvent('system.docker.handshake.stopped', 1, z.object(host), {
  severity: 'warning',
});
export const DockerDecommissioned = defineEvent(
  'system.docker.decommissioned',
  1,
  z.object({ ...host, name: z.string() }),
  { severity: 'warning' },
);
/** Signs the certificates of an account's Docker clients; its key is in the secret store. */
export const DockerClientCaCreated = defineEvent(
  'system.docker.client_ca_created',
  1,
  z.object({ account_id: idSchema('account'), key_ref: z.string(), ca_pem: z.string() }),
);
/** A client certificate opens every Docker host of the account until it ends. */
export const DockerClientIssued = defineEvent(
  'system.docker.client_issued',
  1,
  z.object({
    account_id: idSchema('account'),
    operator_id: z.string(),
    certificate_serial: z.string(),
    not_after: z.iso.datetime(),
  }),
  { severity: 'warning' },
);

export const dockerEvents = [
  DockerHostRequested,
  DockerWantsCert,
  DockerCertSigned,
  DockerReady,
  DockerProvisioned,
  DockerStopped,
  DockerDecommissioned,
  DockerClientCaCreated,
  DockerClientIssued,
] as const;
export type DockerEvent = EventOf<(typeof dockerEvents)[number]>;
