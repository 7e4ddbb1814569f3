/** What this node has of a cluster, before it is told what to do. */
export interface Local {
  /** `former`: of an earlier life of this node; `foreign`: K3s was here before the agent. */
  readonly data: 'none' | 'ours' | 'former' | 'foreign';
  /** Of which cluster our data are; empty when it is not known. */
  readonly cluster: string;
  /** They were got by joining. */
  readonly joined: boolean;
  /** The platform took this node's bootstrap. */
  readonly bootstrapped: boolean;
}
export interface Told {
  readonly role: 'init' | 'join';
  readonly cluster_id: string | null;
  /** Somebody's bootstrap was taken. */
  readonly bootstrapped: boolean;
}
export type Standing =
  | { readonly kind: 'start'; readonly as: 'init' | 'join' }
  | { readonly kind: 'set_aside'; readonly why: string }
  | { readonly kind: 'refuse'; readonly why: string };

export const FOREIGN = 'there are data of a K3s that this agent did not start; move them away first';

/**
 * How a K3s server may start here, so that there is never a second cluster. K3s ignores --server where a datastore exists,
 * and with --cluster-init and an empty folder it makes a new cluster, whoever else is one already: which of the two it is
 * must not depend on what was told last, but on whose data these are.
 */
export const standing = (told: Told, local: Local): Standing => {
  switch (local.data) {
    case 'foreign':
      return { kind: 'refuse', why: FOREIGN };
    case 'former':
      return { kind: 'set_aside', why: 'the data are of an earlier life of this node' };
    case 'ours':
      if (told.cluster_id !== null && local.cluster !== '' && local.cluster !== told.cluster_id)
        return { kind: 'set_aside', why: 'the data are of another cluster' };
      if (local.joined) return { kind: 'start', as: 'join' };
      if (local.bootstrapped || told.role === 'init') return { kind: 'start', as: 'init' };
      return { kind: 'set_aside', why: 'another server makes the cluster: what was begun here is nobody’s' };
    default: {
      // The claimant of a cluster that exists has lost its disk, or its claim was met by somebody else. What the agent was
      // told may be old: it may know better itself.
      const exists = told.bootstrapped || local.bootstrapped;
      return { kind: 'start', as: told.role === 'init' && !exists ? 'init' : 'join' };
    }
  }
};
