import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Place } from './hunt.js';

/** Every file below a folder, links not followed. `name` is how the folder is called in findings. */
export const filesBelow = (root: string, name: string): Place[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((file) => join(root, file))
    .filter((file) => isFile(file))
    .map((file) => ({ name: `${name}/${relative(root, file)}`, content: readFileSync(file) }));

/** Sockets and what ends while we look are no files. */
const isFile = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isFile() === true;
