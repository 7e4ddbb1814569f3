/** Chains of kube-proxy, of K3s's network policies, of the CNI's port maps, and of flannel. */
const OWN_CHAIN = /^(KUBE-|CNI-|FLANNEL-)/;
/** As k3s-killall.sh knows them: a jump into such a chain, or flannel's own comment. */
const OWN_RULE = /(^|\s|")(KUBE-|CNI-|FLANNEL-)|flanneld/;

/**
 * What takes K3s's rules out of a packet filter, made of `iptables-save` and meant for `iptables-restore --noflush`: nothing
 * but these is touched, whatever else is written there meanwhile. Undefined when there are none.
 */
export const withoutK3s = (saved: string): string | undefined => {
  const out: string[] = [];
  let chains: string[] = [];
  let rules: string[] = [];
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) [chains, rules] = [[], []];
    const chain = /^:(\S+)/.exec(line)?.[1];
    if (chain !== undefined && OWN_CHAIN.test(chain)) chains.push(chain);
    const rule = /^-A (\S+) (.*)$/.exec(line);
    if (rule !== null && !OWN_CHAIN.test(rule[1]!) && OWN_RULE.test(rule[2]!)) rules.push(`-D ${rule[1]} ${rule[2]}`);
    if (line.startsWith('*')) out.push(line);
    if (line !== 'COMMIT') continue;
    if (chains.length + rules.length === 0) {
      out.pop();
      continue;
    }
    // A chain can go when nothing leads to it: first every jump from outside, then what they hold, then they.
    out.push(...rules, ...chains.map((c) => `-F ${c}`), ...chains.map((c) => `-X ${c}`), 'COMMIT');
  }
  return out.length === 0 ? undefined : `${out.join('\n')}\n`;
};
