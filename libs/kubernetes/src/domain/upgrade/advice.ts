import type { TokenChange } from '../cluster/token-change.js';
import { isFinished, isOwed, type Rollout } from './state.js';

export type Control = 'pause' | 'resume' | 'abort' | 'rollback';

/**
 * Half of the servers would need a token that the other half refuses: from when a new one is chosen until K3s is known to have
 * refused it, a rotation is not aborted. Who does not know the token's state goes by whether a node was begun.
 */
export const mayAbort = (state: Rollout, token?: TokenChange | null): boolean => {
  if (state.change.kind !== 'server_token') return true;
  if (token === undefined) return !state.nodes.some((node) => node.touched);
  return token?.run !== state.run || token.phase === 'dropped';
};

/** What an operator may ask of this rollout now, and it would be done. Advice names nothing else. */
export const acceptedNow = (state: Rollout, token?: TokenChange | null): readonly Control[] => {
  const { status } = state;
  const back =
    state.change.kind === 'upgrade' &&
    state.direction === 'forward' &&
    status !== 'aborting' &&
    status !== 'rolled_back';
  return [
    ...(status === 'running' ? (['pause'] as const) : []),
    ...(status === 'paused' || status === 'stopped' ? (['resume'] as const) : []),
    ...(!isFinished(state) && status !== 'aborting' && mayAbort(state, token) ? (['abort'] as const) : []),
    ...(back ? (['rollback'] as const) : []),
  ];
};

const DONE: Readonly<Record<Control, string>> = {
  pause: 'paused',
  resume: 'resumed',
  abort: 'aborted',
  rollback: 'rolled back',
};

const list = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;

export const nextFor = (state: Rollout, token?: TokenChange | null): string => {
  const may = list(acceptedNow(state, token).map((control) => DONE[control]));
  if (state.status === 'aborting') return 'the nodes under way end first';
  if (!isFinished(state)) return `it can be ${may}`;
  return may === '' ? 'start a new one' : `it can be ${may}, or a new one started`;
};

const TOOL: Readonly<Record<Control, string>> = {
  pause: 'kubernetes_pause_upgrade',
  resume: 'kubernetes_resume_upgrade',
  abort: 'kubernetes_abort_upgrade',
  rollback: 'kubernetes_rollback_upgrade',
};

/** A server that flaps is restarted by this; after so many times somebody should look. */
const MOST_ALONE = 3;

/** Renewed certificates hurt nobody: a rollout that stopped for a server that was away goes on by itself when it is back. */
export const goesOnAlone = (state: Rollout): boolean =>
  state.change.kind === 'certificates' && state.status === 'stopped' && (state.wentOn ?? 0) < MOST_ALONE;

/** Of a rollout that is over: what a server still does that was away. `isMember`: not of one that was forgotten since. */
const owedBy = (state: Rollout, isMember: (instanceId: string) => boolean): string | null => {
  const names = state.nodes.filter((n) => isOwed(state, n) && isMember(n.instanceId)).map((n) => n.name);
  if (!isFinished(state) || names.length === 0) return null;
  const [one, by] = names.length === 1 ? ['makes its', 'it is'] : ['make their', 'they are'];
  return `${names.join(', ')} ${one} certificates anew when ${by} back, with no word from anybody; one that is gone for good: system_forget_instance`;
};

/** For one that waits for an operator, or for a server that it left out; null while it goes on by itself, or is over. */
export const nextActionOf = (
  state: Rollout,
  token?: TokenChange | null,
  isMember: (instanceId: string) => boolean = () => true,
): string | null => {
  if (isFinished(state)) return owedBy(state, isMember);
  if (state.status !== 'paused' && state.status !== 'stopped') return null;
  const tools = list(acceptedNow(state, token).map((control) => TOOL[control]));
  // A restore brings its own token, and so ends a rotation that cannot go on.
  const other = state.change.kind === 'server_token' ? '; or kubernetes_restore_snapshot, which ends it' : '';
  if (goesOnAlone(state))
    return `it goes on by itself when all servers are ready again (kubernetes_list_nodes says which is not; one that is gone for good: system_forget_instance); or ${tools}`;
  return `${state.status === 'stopped' ? 'look at last_error, then ' : ''}${tools}${other}`;
};
