import { accessGrantEvents } from './access-grant/events.js';
import { addressLedgerEvents } from './address-ledger/events.js';
import { claimLedgerEvents } from './claim-ledger/events.js';
import { firewallEvents } from './firewall/events.js';
import { ibgpEvents } from './ibgp/events.js';
import { networkEvents } from './network/events.js';
import { peerEvents } from './peer/events.js';
import { portLedgerEvents } from './port-ledger/events.js';
import { virtualIpEvents } from './virtual-ip/events.js';

export * from './access-grant/events.js';
export * from './address-ledger/events.js';
export * from './claim-ledger/events.js';
export * from './firewall/events.js';
export * from './ibgp/events.js';
export * from './network/events.js';
export * from './peer/events.js';
export * from './port-ledger/events.js';
export * from './virtual-ip/events.js';
export const sdwanEvents = [
  ...networkEvents,
  ...addressLedgerEvents,
  ...claimLedgerEvents,
  ...portLedgerEvents,
  ...peerEvents,
  ...ibgpEvents,
  ...virtualIpEvents,
  ...accessGrantEvents,
  ...firewallEvents,
] as const;
