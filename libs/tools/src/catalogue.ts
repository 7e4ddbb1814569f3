import { canonicalJson, sha256Hex } from '#kernel';
import type { ToolListing } from './tool-schema.js';

/**
 * One digest over all that callers are told of the tools: names, descriptions, schemas, permissions. It changes with a release
 * and with nothing else, so that who pinned it notices a description that was slipped in.
 */
export const catalogueDigest = (listings: readonly ToolListing[]): string =>
  `sha256:${sha256Hex(canonicalJson([...listings].sort((a, b) => (a.name < b.name ? -1 : 1))))}`;
