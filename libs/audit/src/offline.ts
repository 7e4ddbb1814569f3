/** What an auditor needs who has files only: free of Nest and of the platform, for the CLI and for anyone else. */
export { ExportCheck, type ExportVerdict } from './export/export-check.js';
export { checkProof, type ProofVerdict } from './proof/event-proof.js';
export { KeyHistory, keyIdOf, parseKeyRecord, type KeyRecord } from './proof/keys.js';
export { parseSeal, type Seal } from './proof/seal.js';
export { SealChain } from './proof/seal-chain.js';
