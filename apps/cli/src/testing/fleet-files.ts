/** Documents of fleet files, as tests put them together. */
export const templateDocument = (module: string, config: string): string =>
  `kind: Template\nname: servers\nmodules:\n  - {module: ${module}, config: ${config}}\n`;

export const RULE_DOCUMENT = 'kind: FirewallRule\nnetwork: prod\nname: closed\naction: drop\n';

/** One of every kind. The URL of the grant is written into `home`; `note` is in a module's config. */
export const wholeFleet = (home: string, note: string): string =>
  [
    'kind: Network\nname: prod\n',
    templateDocument('docker-engine', `{note: ${note}}`),
    'kind: Node\nname: s1\ntemplate: servers\nprovision: {driver: existing}\n',
    'kind: Peer\nnetwork: prod\nnode: s1\ntags: [ops]\n',
    RULE_DOCUMENT,
    `kind: Grant\nnetwork: prod\nname: laptop\nwrite_url_to: ${home}/laptop.url\n`,
  ].join('---\n');
