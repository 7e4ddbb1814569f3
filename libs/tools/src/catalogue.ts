import { canonicalJson, sha256Hex } from '#kernel';
import type { ToolListing } from './tool-schema.js';

/**
 * One digest over all that callers are told of the tools: names, descriptions, schemas, permissions. It changes with a release
 * and with nothing else, so that who pinned it notices a description that was slipped in.
 */
export const catalogueDigest = (listings: readonly ToolListing[]): string => {
  const first = listings[0];
  const known = first === undefined ? undefined : made.get(first);
  if (known?.count === listings.length) return known.digest;
  const sorted = [...listings].sort((a, b) => (a.name < b.name ? -1 : 1));
  const digest = `sha256:${sha256Hex(canonicalJson(sorted))}`;
  if (first !== undefined) made.set(first, { count: listings.length, digest });
  return digest;
};

/** A registry makes each listing once, and its catalogue grows at the start only. */
const made = new WeakMap<ToolListing, { readonly count: number; readonly digest: string }>();
