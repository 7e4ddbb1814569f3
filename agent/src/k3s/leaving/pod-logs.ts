import { basename, join, relative } from 'node:path';
import type { Files } from '../../ports.js';
import { removeAround, straight } from './mounts.js';

/** `<namespace>_<pod>_<uid>`, as kubelet names a pod's folder of logs. */
const uidOf = (folder: string): string => folder.split('_').at(-1) ?? '';

/**
 * The logs of the pods that are in kubelet's folder here, and the links to them: an operator's, and those that a Kubernetes of
 * before has left, lie beside them. The links go first: what they lead to says whose they are. Answers how many pods had
 * some, and what is left.
 */
export const removePodLogs = async (
  files: Files,
  root: string,
): Promise<{ readonly pods: number; readonly left: readonly string[] }> => {
  const [logs, links] = [join(root, 'var/log/pods'), join(root, 'var/log/containers')];
  const uids = new Set(await files.list(join(root, 'var/lib/kubelet/pods')));
  const left: string[] = [];
  if ((await straight(files, root, links)) !== undefined)
    for (const path of (await files.list(links)).map((name) => join(links, name))) {
      const [pod = ''] = relative(logs, (await files.linkTarget(path)) ?? '/').split('/');
      if (uids.has(uidOf(pod))) await files.remove(path);
    }
  if ((await straight(files, root, logs)) === undefined) return { pods: 0, left };
  const folders = await files.list(logs);
  const ours = folders.filter((name) => uids.has(uidOf(name)));
  for (const name of ours) left.push(...(await removeAround(files, root, join(logs, name))));
  if (folders.length > ours.length)
    left.push(
      `${logs}: ${folders.length - ours.length} of no pod that is here, as ${basename(folders.find((name) => !ours.includes(name))!)}`,
    );
  for (const folder of [logs, links]) await files.removeIfEmpty(folder);
  return { pods: ours.length, left };
};
