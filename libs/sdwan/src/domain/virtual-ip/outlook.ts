import type { LiveVirtualIp, Member } from './state.js';

/** What an operator can do about a virtual IP that nobody holds. It moves by itself as soon as a candidate is back. */
export const strandedAction = (name: string, candidates: readonly Member[], lastHolder: Member | null): string => {
  const [only] = candidates;
  if (only === undefined) return `give ${name} candidates: add a server to the template's nodes`;
  if (candidates.length === 1)
    return `bring ${only.instance_id} back, or add servers: ${name} has no other candidate (drover instance get ${only.instance_id})`;
  const first = lastHolder === null ? 'a candidate' : lastHolder.instance_id;
  return `bring ${first} or another candidate back; drover vip failover ${name} dry_run=true says why each of them cannot take it`;
};

export const nextAction = (vip: LiveVirtualIp): string | null =>
  vip.status === 'stranded' ? strandedAction(vip.name, vip.candidates, null) : null;
