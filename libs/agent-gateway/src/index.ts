export * from './gateway.js';
export type * from './gateway-options.js';
export * from './ports.js';
export { toServiceError, REFUSAL_KEY } from './server/refusals.js';
export { postgresReceipts, type ReceiptTable } from './receipts/receipt-table.js';
export * from './store-epoch.js';
