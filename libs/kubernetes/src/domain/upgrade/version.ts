/** `v1.31.2+k3s1`: Kubernetes' three numbers, a pre-release, and K3s's own revision. */
export interface K3sVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  readonly pre: string;
  readonly revision: number;
}

const FORMAT = /^v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+k3s(\d+))?$/;

export const parseVersion = (text: string): K3sVersion | undefined => {
  const found = FORMAT.exec(text);
  if (found === null) return undefined;
  const [, major, minor, patch, pre = '', revision = '0'] = found;
  return { major: Number(major), minor: Number(minor), patch: Number(patch), pre, revision: Number(revision) };
};

/** Negative when `a` is older. A pre-release (`-rc1`) is older than its release. */
export const compareVersions = (a: K3sVersion, b: K3sVersion): number =>
  a.major - b.major || a.minor - b.minor || a.patch - b.patch || comparePre(a.pre, b.pre) || a.revision - b.revision;

const comparePre = (a: string, b: string): number => {
  if (a === b) return 0;
  if (a === '') return 1;
  if (b === '') return -1;
  return a.localeCompare(b, 'en', { numeric: true });
};
