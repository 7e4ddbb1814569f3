/** HOST:PORT or [V6]:PORT, as the configuration has checked it. The host comes without brackets. */
export const parseAddress = (address: string): { readonly host: string; readonly port: number } => {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) };
};
