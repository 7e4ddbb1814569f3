/** The system error code (`ENOENT`, …) of anything thrown. Not by instanceof: tests run in another realm. */
export const errorCode = (error: unknown): string | undefined => {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
};
