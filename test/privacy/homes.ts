import type { Home } from './support/hunt.js';

/** Where secrets of a run may be found: each has to be somewhere. Everywhere else they have no business. */
export const HOMES: readonly Home[] = [
  { secret: /^admin token$/, place: /^data\/admin\.token$/, reason: 'how the operator gets it; 0600' },
  { secret: /^admin token$/, place: /^what the platform says/, reason: 'shown once, by the start that made it' },
  {
    secret: /^operator token$/,
    place: /^answer of system_(create_operator|create_account|issue_token)$/,
    reason: 'told once to who made it; a digest is kept',
  },
  { secret: /^rotated token$/, place: /^answer of system_rotate_token$/, reason: 'told once to who rotated it' },
  { secret: /^master key$/, place: /^data\/master\.key$/, reason: '0600; everything else is sealed under it' },
  { secret: /^CA key/, place: /^data\/ca\/ca\.key$/, reason: '0600; not in the database, so that a dump cannot sign' },
  {
    secret: /^join token$/,
    place: /^lab\/tokens\//,
    reason: 'the lab hands it to the machine’s agent in a file, 0600',
  },
  {
    secret: /^grant token$/,
    place: /^answer of system_sdwan_(create_access_grant|issue_user_device)$/,
    reason: 'told once to who made the grant; single use',
  },
  { secret: /^device token$/, place: /^answer to a redemption$/, reason: 'told to the device, which keeps it' },
  { secret: /^session token$/, place: /^answer to a login$/, reason: 'told once to who came in; a digest is kept' },
  { secret: /^webhook secret$/, place: /^answer of system_create_webhook$/, reason: 'told once to who made it' },
  {
    secret: /^webhook URL$/,
    place: /^answer of system_(create|list)_webhooks?$/,
    reason: 'shown to operators who may see webhooks: which one is it',
  },
  { secret: /^(kubeconfig|K3s) key/, place: /^answer of kubernetes_get_kubeconfig$/, reason: 'what was asked for' },
  {
    secret: /^K3s token$/,
    place: /^environ of k3s agent/,
    reason: 'as K3s’s own installer does it: shown to root of that node only, who has the token’s file too',
  },
];

/** Subjects of secrets that last as long as the platform: nothing ends them, and nothing shreds theirs. */
export const LASTING_SUBJECTS: readonly string[] = ['audit-keys', 'platform'];
