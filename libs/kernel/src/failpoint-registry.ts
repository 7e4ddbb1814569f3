/** Where a failpoint stands, and what has and has not happened when it is reached. */
export interface Failpoint {
  /** The one source file that has it; the process follows from it: agent/ is the agent's, everything else the platform's. */
  readonly file: string;
  readonly what: string;
}

const points = <N extends string>(file: string, whats: Readonly<Record<N, string>>): Record<N, Failpoint> =>
  Object.fromEntries(Object.entries<string>(whats).map(([name, what]) => [name, { file, what }])) as Record<
    N,
    Failpoint
  >;

const store = 'libs/event-store/src';
const processing = 'libs/processing/src';
const gateway = 'libs/agent-gateway/src';

/** Every failpoint there is: the soak plays each of them, a test holds this list against the sources. */
export const FAILPOINTS = {
  ...points(`${store}/migrations.ts`, {
    'migration.before_commit': 'a migration has run and is not committed',
    'migration.applied': 'a migration is committed, the next one has not begun',
  }),
  ...points(`${store}/adapters/postgres/group-committer.ts`, {
    'append.batch_taken': 'a batch of appends has been taken from the queue, nothing of it has been sent',
    'append.committed': 'a batch is committed and its writers have not been told',
    'append.answered': 'the writers of a batch have their answers and have not run on',
  }),
  ...points(`${store}/adapters/postgres/append-statement.ts`, {
    'append.sent': 'the append statement has been sent and its answer has not been read',
  }),
  ...points(`${store}/adapters/postgres/postgres-event-store.ts`, {
    'subscription.batch_read': 'a subscription has read a batch and not delivered it',
    'stream.page_read': 'a page of one stream has been read and not folded',
  }),
  ...points(`${store}/adapters/postgres/listener.ts`, {
    'subscription.listening': 'the listening connection is up, subscriptions have not been woken',
  }),
  ...points('libs/audit/src/verify/audit-verifier.ts', {
    'chain.verified': 'the hash chain and its seals are verified and nobody has been told',
  }),
  ...points(`${processing}/transactor.ts`, {
    'command.decided': 'a command is decided and its events are not appended',
    'command.appended': 'the events of a command are appended and its caller has no answer',
  }),
  ...points(`${processing}/host/term.ts`, {
    'lanes.opened': 'a new leader has taken the read models over and not the checkpoints',
    'lanes.claimed': 'a new leader has taken everything over and runs nothing yet',
  }),
  ...points(`${processing}/adapters/postgres/postgres-leader-lock.ts`, {
    'lead.locked': 'the lock of the leader is held, the epoch is not raised',
    'lead.epoch_raised': 'the epoch is raised and nothing runs under it',
    'lead.releasing': 'a leader has ended its work and still holds the lock',
    'lead.released': 'the lock has been given back, its connection has not',
  }),
  ...points(`${processing}/projections/projection-lane.ts`, {
    'projection.folded': 'a batch is folded and neither rows nor checkpoint are written',
    'projection.committed': 'rows and checkpoint are written and the lane does not know it',
    'projection.switching': 'a table that was built beside is complete, the view shows the old one',
    'projection.switched': 'the view shows the new table, the lane does not know it',
  }),
  ...points(`${processing}/adapters/postgres/postgres-checkpoints.ts`, {
    'checkpoint.saving': 'what a checkpoint stands for is done, the checkpoint is not saved',
    'checkpoint.saved': 'a checkpoint is saved and its owner does not know it',
  }),
  ...points(`${processing}/process/instances.ts`, {
    'process.decided': 'a process manager has decided on an input, which is not in its inbox',
    'process.received': 'an input and what was decided on it are appended, nothing of it is carried out',
  }),
  ...points(`${processing}/process/engine.ts`, {
    'process.dispatching': 'a process manager’s command is about to be sent',
    'process.dispatched': 'a process manager’s command has been answered, the answer is not in the inbox',
  }),
  ...points(`${processing}/process/settler.ts`, {
    'settle.recovering': 'a new leader knows an instance that may be unsettled and has not looked at it',
    'settle.done': 'nothing is unsettled, the checkpoint of the outputs is not saved',
  }),
  ...points(`${processing}/adapters/postgres/postgres-timer-index.ts`, {
    'timer.arming': 'a timer is set in its stream and not in the index',
    'timer.armed': 'a timer is in the index, whoever waits for the next one does not know it',
  }),
  ...points(`${processing}/process/timer-worker.ts`, {
    'timer.due': 'a timer is due and has not fired',
    'timer.fired': 'a timer has fired, its entry is still in the index',
  }),
  ...points('libs/access/src/application/bootstrap.ts', {
    'bootstrap.account_made': 'the first account exists, its operator does not',
    'bootstrap.token_written': 'the first token is on disk and not yet valid',
  }),
  ...points('libs/access/src/secrets/envelope-secret-store.ts', {
    'secret.key_made': 'a subject has its data key, the secret is not stored',
    'secret.stored': 'a secret is stored, the event that refers to it is not appended',
    'secret.shredded': 'the data key of a subject is deleted, and that is written down nowhere',
  }),
  ...points('libs/access/src/secrets/master-keys.ts', {
    'master_key.promoted':
      'the next master key has taken the place of the one before on the disk, that is written down nowhere',
  }),
  ...points('libs/access/src/secrets/master-key-rotation.ts', {
    'master_key.prepared': 'the next master key is on the disk and the database does not know of it',
    'master_key.begun': 'the database knows of the next master key, no data key is wrapped by it',
    'master_key.rewrapped': 'one data key is wrapped by the next master key, the others are not',
    'master_key.finished': 'the database has the next master key for the platform’s, the disk does not',
  }),
  ...points('libs/access/src/application/secret-shredder.ts', {
    'secret.shredding': 'a subject has ended in the log, its secrets are still there',
  }),
  ...points('libs/audit/src/seals/sealer.ts', {
    'seal.signed': 'a seal is signed and in no place that outlives the process',
    'seal.added': 'a seal is in the database, the file outside of it lacks it',
  }),
  ...points('libs/audit/src/seals/seal-export.ts', {
    'seal.exported': 'seals are in the file, the database does not know that',
  }),
  ...points('libs/tools/src/tool-registry.ts', {
    'tool.claimed': 'the idempotency key of a call is claimed and the call has done nothing',
    'tool.handled': 'a call has done everything and is not answered',
  }),
  ...points(`${gateway}/gateway.ts`, {
    'gateway.folded': 'the log is folded into desired state, no agent can connect yet',
    'gateway.batch_folded': 'a batch is folded into desired state, no agent has been told',
  }),
  ...points(`${gateway}/session/outbox.ts`, {
    'push.bulk_sending': 'a snapshot or delta has its turn and is about to be sent',
    'push.bulk_sent': 'a snapshot or delta has been handed to the stream',
    'push.priority_sending': 'a message of the priority lane is about to be sent',
    'push.priority_sent': 'a message of the priority lane has been handed to the stream',
  }),
  ...points(`${gateway}/session/session.ts`, {
    'push.snapshot_planned': 'the snapshot for an agent is compiled and not sent',
    'push.snapshot_queued': 'the snapshot for an agent is on its way as far as the stream takes it',
    'push.delta_planned': 'a delta for an agent is compiled and not sent',
    'push.delta_queued': 'a delta for an agent is on its way as far as the stream takes it',
  }),
  ...points(`${gateway}/session/hear.ts`, {
    'receipt.heard': 'an agent’s receipt has arrived and is not taken in',
  }),
  ...points(`${gateway}/server/agent-service.ts`, {
    'phase.heard': 'a phase report has arrived and nothing of it is recorded',
    'phase.handled': 'a phase report is recorded and not acknowledged',
  }),
  ...points('libs/fleet/src/application/enrollment.ts', {
    'enrolment.signed': 'a certificate is signed and its enrolment is not in the log',
    'enrolment.appended': 'an enrolment is in the log and the agent has no answer',
  }),
  ...points('libs/fleet/src/application/handlers/instance-uses.ts', {
    'provision.asking': 'a machine has been decided on, its driver has not been asked',
    'provision.asked': 'the driver has made a machine and nobody has recorded it',
    'terminate.left': 'an instance has left its cluster and is not terminated',
  }),
  ...points('libs/sdwan/src/application/device-service.ts', {
    'device.redeemed': 'an access grant is redeemed and the device has no answer',
  }),
  ...points('libs/sdwan/src/application/failover/move-run.ts', {
    'vip.asking': 'voters are about to be asked for a new epoch',
    'vip.preparing': 'a move is planned, the members have not been prepared for it',
    'vip.pushing': 'a step of a move is decided, no member has been told',
    'vip.pushed': 'a step of a move has been sent to all its members',
    'vip.recording': 'a step of a move is about to be recorded',
    'vip.recorded': 'a step of a move is recorded, the move does not know it',
    'vip.ended': 'a move has ended and nobody has been told',
  }),
  ...points('libs/kubernetes/src/application/handshake.ts', {
    'bootstrap.secrets_stored': 'kubeconfig and server token are stored, the cluster does not refer to them',
    'bootstrap.recorded': 'a bootstrap is recorded and the cluster has no virtual IP',
    'bootstrap.addressed': 'the cluster has its virtual IP and is not marked as bootstrapped',
  }),
  ...points('libs/kubernetes/src/application/drain.handler.ts', {
    'drain.evicted': 'pods are evicted and the drain is not recorded',
  }),
  ...points('agent/src/identity/enroll.ts', {
    'agent.enrolling': 'the agent has its key and has not asked for a certificate',
    'agent.enrolled': 'the agent has a certificate and has not saved it',
    'agent.identity_saved': 'the agent has saved its identity and does nothing with it yet',
  }),
  ...points('agent/src/session/desired-store.ts', {
    'agent.desired_saved': 'newer desired state is on the agent’s disk',
  }),
  ...points('agent/src/agent.ts', {
    'agent.applying': 'the agent has new desired state and has applied nothing of it',
    'agent.applied': 'the agent has applied new desired state and sent no receipt',
  }),
  ...points('agent/src/network/interface-reconciler.ts', {
    'agent.peers_writing': 'the change of an interface is computed and not written',
    'agent.peers_written': 'WireGuard’s peers are written and not read back',
    'agent.addresses_written': 'addresses and routes of an interface are written',
  }),
  ...points('agent/src/wireguard/node-keys.ts', {
    'agent.key_prepared': 'a further key is on the node’s disk and has not been announced',
    'agent.key_taken': 'the new key is the node’s own on its disk and WireGuard still has the old one',
  }),
  ...points('agent/src/network/overlay-network.ts', {
    'agent.key_written': 'WireGuard has the new key and the platform does not know it',
  }),
  ...points('agent/src/vip/vip-actor.ts', {
    'agent.vip_enacted': 'the agent does what a virtual IP asks of it and has not saved it',
    'agent.vip_saved': 'the agent has saved what a virtual IP asks and has not acknowledged it',
  }),
  ...points('agent/src/k3s/k3s-driver.ts', {
    'agent.k3s_announced': 'the platform knows that K3s is being installed, the agent has not noted that',
    'agent.k3s_joining': 'the agent holds a join token and has written it nowhere',
    'agent.k3s_drop_in_written': 'the agent has written what K3s joins with and has not noted that it joined',
    'agent.k3s_config_written': 'the configuration of K3s is written, K3s is not started',
    'agent.k3s_started': 'K3s is started and the agent has not noted with which configuration',
    'agent.k3s_bootstrapped': 'the platform has the kubeconfig, the agent has not noted that',
    'agent.k3s_ready': 'the platform knows that K3s is ready, the agent has not noted that',
  }),
  ...points('agent/src/k3s/leaving/leaving.ts', {
    'agent.k3s_leaving': 'the instance is over and K3s’s units are gone, its pods, files and data are not',
    'agent.k3s_left': 'the instance is over and K3s’s units and pods are gone, its files and data are not',
  }),
} as const satisfies Readonly<Record<string, Failpoint>>;

export type FailpointName = keyof typeof FAILPOINTS;
