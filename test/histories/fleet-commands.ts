import { accountDecider, masterKeyDecider, operatorDecider } from '#access';
import { instanceDecider, nodeDecider, templateDecider } from '#fleet';
import { deterministicId, deterministicUuid } from '#kernel';
import { signingKeysDecider } from '../../libs/audit/src/domain/signing-keys.js';
import { webhookDecider } from '../../libs/consumers/src/domain/webhook/decide.js';
import { FEW, hex, step, type Given, type Step } from './given.js';

/** Of access, fleet, webhooks and audit, as their handlers give them to the deciders. */
export const fleetCommands = (given: Given): readonly (readonly (() => Step)[])[] => {
  const { die, pick, n, id, roll, assignment, presence, token, certificate } = given;
  const template = (command: Parameters<typeof templateDecider.decide>[0]) =>
    step(id.template, templateDecider, command);
  const instance = (command: Parameters<typeof instanceDecider.decide>[0]) =>
    step(id.instance, instanceDecider, command);
  const webhook = (command: Parameters<typeof webhookDecider.decide>[0]) => step(id.webhook, webhookDecider, command);
  return [
    [
      () => step(id.account, accountDecider, { type: 'create_account', accountId: id.account, name: 'one' }),
      () => step(id.account, accountDecider, { type: 'claim_name', kind: 'node', name: `name-${die(4)}`, id: id.node }),
      () =>
        step(id.account, accountDecider, { type: 'release_name', kind: 'node', name: `name-${die(4)}`, id: id.node }),
      () =>
        step(id.operator, operatorDecider, {
          type: 'create_operator',
          operatorId: id.operator,
          accountId: id.account,
          name: 'op',
          token,
        }),
      () => step(id.operator, operatorDecider, { type: 'create_token', token }),
      () => step(id.operator, operatorDecider, { type: 'revoke_token', tokenId: token.token_id }),
      () =>
        step('master_key-platform', masterKeyDecider, {
          type: 'start',
          fingerprint: hex(n),
          previous: hex(n + 1),
          request: `r${roll}`,
        }),
      () => step('master_key-platform', masterKeyDecider, { type: 'finish', fingerprint: hex(n) }),
    ],
    [
      () => template({ kind: 'create', templateId: id.template, name: `template-${n}`, description: '', driver: null }),
      () => template({ kind: 'update', description: `text ${roll}` }),
      () =>
        template({
          kind: 'assign',
          moduleName: pick(['k3s-server', 'docker-engine']),
          config: {},
          priority: die(200),
          enabled: die(2) === 0,
          newAssignmentId: deterministicUuid('assignment', roll),
        }),
      () => template({ kind: 'unassign', moduleName: pick(['k3s-server', 'docker-engine']) }),
      () => template({ kind: 'delete', usedBy: [] }),
      () =>
        step(id.node, nodeDecider, {
          kind: 'create',
          nodeId: id.node,
          name: `node-${n}`,
          templateId: id.template,
          description: '',
        }),
      () => step(id.node, nodeDecider, { kind: 'delete', liveInstance: undefined }),
    ],
    [
      () =>
        instance({
          kind: 'provision',
          instanceId: id.instance,
          nodeId: id.node,
          name: `node-${n}`,
          templateId: id.template,
          driver: 'existing',
          cniPlugin: null,
        }),
      () => instance({ kind: 'issue_token', tokenId: `t${roll}`, tokenDigest: hex(n), expiresAtMs: 4_000_000_000_000 }),
      () =>
        instance({
          kind: 'enroll',
          tokenDigest: hex(n),
          publicKeyDigest: hex(n),
          nowMs: 1_700_000_000_000,
          certificate,
          agentVersion: '0.1.0',
          hostname: `node-${n}`,
          machineId: hex(n).slice(0, 32),
        }),
      () => instance({ kind: 'online', presence }),
      () => instance({ kind: 'lost', silentMs: roll }),
      () => instance({ kind: 'returned' }),
      () => instance({ kind: 'renew', certificate }),
      () => instance({ kind: 'request_drain', timeoutSeconds: 60 }),
      () => instance({ kind: 'mark_drained', evictedPods: die(9), warnings: [] }),
      () => instance({ kind: 'uncordon' }),
      () =>
        instance({
          kind: 'sync_modules',
          templateId: id.template,
          templateVersion: roll,
          assignments: [assignment(die(3))],
          reasons: {},
        }),
      () => instance({ kind: 'installing', moduleName: 'docker-engine' }),
      () => instance({ kind: 'change_template', templateId: deterministicId('template', die(FEW)) }),
      () => (die(6) === 0 ? instance({ kind: pick(['terminate', 'forget']) }) : instance({ kind: 'online', presence })),
    ],
    [
      () =>
        webhook({
          type: 'create',
          webhook: {
            webhook_id: id.webhook,
            name: `hook-${n}`,
            origin: 'https://example.com',
            endpoint_ref: `${id.webhook}#endpoint`,
            kind_prefix: [],
            stream: [],
            subject: [],
            severity: 'info',
            max_attempts: 3,
          },
        }),
      () =>
        webhook({
          type: 'report',
          health: pick(['failing', 'dead_lettering']),
          eventId: deterministicUuid('e', roll),
          attempts: 3,
          error: 'HTTP 500',
        }),
      () => webhook({ type: 'report', health: 'well' }),
      () =>
        die(4) === 0
          ? webhook({ type: 'delete' })
          : webhook({ type: 'redeliver', eventIds: [deterministicUuid('e', roll)] }),
      () =>
        step('audit_keys-seals', signingKeysDecider, {
          type: 'record_rotation',
          key: { key_id: hex(n), previous_key_id: hex(n + 1), sequence: 2 + n },
        }),
    ],
  ];
};
