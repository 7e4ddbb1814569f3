/** Chains of kube-proxy, of K3s's network policies, and of flannel. */
const OWN_CHAIN = /^(KUBE-|FLANNEL-)/;
/** Podman and nerdctl make such chains too: which network one is of is said by the rules that lead to it. */
const CNI_CHAIN = /^CNI-/;
const OF_K3S = /name: \\?"cbr0\\?"/;
/** The portmap plugin's, shared by all networks that publish ports: they go when K3s's was the last that did. */
const SHARED = /^CNI-HOSTPORT-(DNAT|MASQ|SETMARK)$/;
const PUBLISHES = /^CNI-DN-/;
/** Rules of K3s's network policies and of flannel that lead to no chain of theirs, by the whole of their comment. */
const OWN_RULE =
  /--comment "(KUBE-ROUTER rule to explicitly ACCEPT traffic that comply to network policies|flanneld (forward|masq))"/;

interface Rule {
  readonly chain: string;
  readonly rest: string;
  readonly to: string;
}

/** Where a rule leads; what its comment says is not asked. */
const target = (rest: string): string =>
  /(?:^|\s)(?:-j|-g|--jump|--goto)\s+(\S+)/.exec(rest.replace(/"(?:\\.|[^"\\])*"/g, '""'))?.[1] ?? '';

const ruleOf = (line: string): Rule | undefined => {
  const found = /^-A (\S+) (.*)$/.exec(line);
  return found === null ? undefined : { chain: found[1]!, rest: found[2]!, to: target(found[2]!) };
};

/** CNI chains that only rules of K3s's network lead to, or that hold only such rules. */
const ofNetwork = (chains: readonly string[], rules: readonly Rule[]): readonly string[] =>
  chains.filter((name) => {
    if (!CNI_CHAIN.test(name)) return false;
    const inside = rules.filter(({ chain }) => chain === name);
    const leading = rules.filter(({ to }) => to === name);
    return [inside, leading].some((all) => all.length > 0 && all.every(({ rest }) => OF_K3S.test(rest)));
  });

const chainsThatGo = (chains: readonly string[], rules: readonly Rule[]): ReadonlySet<string> => {
  const gone = new Set([...chains.filter((name) => OWN_CHAIN.test(name)), ...ofNetwork(chains, rules)]);
  const othersPublish = chains.some((name) => PUBLISHES.test(name) && !gone.has(name));
  if (gone.size > 0 && !othersPublish) for (const name of chains.filter((c) => SHARED.test(c))) gone.add(name);
  return gone;
};

const changeOf = (chains: readonly string[], rules: readonly Rule[]): readonly string[] => {
  const gone = chainsThatGo(chains, rules);
  const leads = ({ rest, to }: Rule): boolean =>
    gone.has(to) || OWN_CHAIN.test(to) || (CNI_CHAIN.test(to) && OF_K3S.test(rest));
  const single = rules.filter((rule) => !gone.has(rule.chain) && (leads(rule) || OWN_RULE.test(rule.rest)));
  // A chain can go when nothing leads to it: first every jump from outside, then what they hold, then they.
  const deleted = single.map(({ chain, rest }) => `-D ${chain} ${rest}`);
  const ordered = chains.filter((name) => gone.has(name));
  return [...deleted, ...ordered.map((c) => `-F ${c}`), ...ordered.map((c) => `-X ${c}`)];
};

/**
 * What takes K3s's rules out of a packet filter, made of `iptables-save` and meant for `iptables-restore --noflush`: nothing
 * but these is touched, whatever else is written there meanwhile. Undefined when there are none.
 */
export const withoutK3s = (saved: string): string | undefined => {
  const out: string[] = [];
  let table = '';
  let chains: string[] = [];
  let rules: Rule[] = [];
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) [table, chains, rules] = [line, [], []];
    const chain = /^:(\S+)/.exec(line)?.[1];
    if (chain !== undefined) chains.push(chain);
    const rule = ruleOf(line);
    if (rule !== undefined) rules.push(rule);
    if (line !== 'COMMIT') continue;
    const change = changeOf(chains, rules);
    if (change.length > 0) out.push(table, ...change, 'COMMIT');
  }
  return out.length === 0 ? undefined : `${out.join('\n')}\n`;
};
