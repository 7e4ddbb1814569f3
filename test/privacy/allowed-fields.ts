import type { Exception } from './support/schema-lint.js';

/**
 * Fields of events whose name or form could mean a secret, and why they hold none. Whoever adds one vouches for it: an event
 * is kept for good, hashed into the chain and shown to every operator of the account.
 */
export const EVENT_FIELDS: readonly Exception[] = [
  { field: '* token_id', reason: 'names a token so that it can be revoked; opens nothing' },
  { field: '* token_digest', reason: 'sha256 of a token of 256 random bits: nobody finds the token from it' },
  { field: '* device_token_digest', reason: 'sha256 of a token of 256 bits' },
  { field: '* public_key', reason: 'public half of a WireGuard key' },
  { field: '* public_key_digest', reason: 'sha256 of a public key' },
  { field: '* kubeconfig_ref', reason: 'where the secret store keeps it; the store asks for the master key' },
  {
    field: '* kubeconfig_digest',
    reason: 'sha256 of a kubeconfig, which holds a private key: nobody finds it from that',
  },
  { field: '* server_token_ref', reason: 'where the secret store keeps it' },
  { field: '* key_ref', reason: 'where the secret store keeps it' },
  { field: '* data_key_id', reason: 'names a data key that is deleted' },
  { field: 'system.audit.key_rotated key_id', reason: 'sha256 of the public half of a seal’s key' },
  { field: 'system.audit.key_rotated previous_key_id', reason: 'sha256 of a public half, too' },
  { field: '* ca_pem', reason: 'certificate of the cluster’s CA; the handshake takes certificates only' },
  {
    field: '* config',
    reason: 'an operator’s configuration of a module; secrets in it are refused (secretPath in decide)',
  },
  { field: '* capabilities', reason: 'names and versions of what a node can do, bounded by the gateway' },
  { field: '* acks_ms', reason: 'milliseconds by peer id' },
  { field: 'system.approval.requested arguments', reason: 'in short, as via: what looks like a secret is hidden' },
  { field: 'system.approval.notified arguments', reason: 'in short, as via: what looks like a secret is hidden' },
  { field: 'system.pm.input_received input.event.data', reason: 'a stored event whole: its own schema was linted' },
  { field: 'system.pm.input_received input.event.meta', reason: 'a stored event’s own metadata' },
  { field: 'system.pm.input_received input.data', reason: 'data of a timer; made from events by react, which is pure' },
  {
    field: 'system.pm.input_received input.payload',
    reason: 'what a command was sent with; made from events by react',
  },
  { field: 'system.pm.input_received outputs[].payload', reason: 'payload of a command; made from events by react' },
  { field: 'system.pm.input_received outputs[].data', reason: 'data of a timer; made from events by react' },
];

/** Arguments of tools: what is not destined for an event may still end in a log line or an answer that is kept. */
export const TOOL_ARGUMENTS: readonly Exception[] = [
  { field: '* idempotency_key', reason: 'names a call; kept as a derived id only' },
  { field: '* token_id', reason: 'names a token; opens nothing' },
  { field: 'what_if arguments', reason: 'those of another tool, tried on a fork of the log that is thrown away' },
  {
    field: 'system_assign_module_to_template config',
    reason: 'goes into an event; secrets in it are refused by decide',
  },
  { field: 'system_assign_module_to_template metadata', reason: 'merged into config, and refused with it' },
];
