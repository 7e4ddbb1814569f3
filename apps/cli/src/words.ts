/** What is a command without being a noun of the registry. */
export const COMMANDS = [
  ...[
    'tools',
    'tool',
    'wait',
    'diff',
    'apply',
    'top',
    'recent-events',
    'events',
    'why',
    'explain',
    'what-if',
    'doctor',
  ],
  ...['support', 'docs', 'context', 'login', 'logout', 'completion', 'mcp', 'lab', 'schema', 'version', 'help'],
];

/** Verbs that the CLI adds to a noun of the registry. */
export const OWN_VERBS: Readonly<Record<string, readonly string[]>> = {
  vpn: ['join', 'refresh'],
  event: ['watch'],
  node: ['status'],
  audit: ['check-proof'],
};
