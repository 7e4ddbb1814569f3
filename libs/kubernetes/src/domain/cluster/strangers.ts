import { foreignText } from '#kernel';

/** Nodes in a cluster's Kubernetes API that are no members: nobody made them with Drover, or they were left behind. */
export interface Strangers {
  readonly count: number;
  /** The first of them by name; written by whoever owns the cluster, so as plain text only. */
  readonly names: readonly string[];
  readonly reason: string;
  readonly nextAction: string;
}

const MOST_NAMES = 10;
const MOST_NAME = 253;
/** What Kubernetes takes as a node's name. Only such a one is put into a command that somebody may copy. */
const NODE_NAME = /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/;

export const strangersOf = (all: readonly string[]): Strangers => {
  const shown = all.toSorted().slice(0, MOST_NAMES);
  const names = shown.map((name) => foreignText(name, MOST_NAME)).filter((name) => name !== '');
  const one = all.length === 1;
  const more = all.length > names.length ? `${names.length === 0 ? '' : ' and '}${all.length - names.length} more` : '';
  const plain = shown.filter((name) => name.length <= MOST_NAME && NODE_NAME.test(name));
  const which = plain.length === 0 ? 'NAME (kubectl get nodes lists them)' : plain.join(' ');
  return {
    count: all.length,
    names,
    reason: `${all.length} ${one ? 'node is' : 'nodes are'} in its Kubernetes API but no ${one ? 'member' : 'members'} of it: ${names.join(', ')}${more}`,
    nextAction: `not yours, or left behind: kubectl delete node ${which}; yours: stop k3s there and make the machine an instance (system_provision_instance, with k3s-agent in its template), which joins as a member`,
  };
};

export const sameStrangers = (a: Strangers | null | undefined, b: Strangers): boolean =>
  a == null ? b.count === 0 : a.reason === b.reason;
