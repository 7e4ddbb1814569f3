/** HOST:PORT or [V6]:PORT, as the configuration has checked it. The host comes without brackets. */
export const parseAddress = (address: string): { readonly host: string; readonly port: number } => {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) };
};

/** The address with the port that was really bound: port 0 asks for any. */
export const withPort = (address: string, port: number): string =>
  `${address.slice(0, address.lastIndexOf(':'))}:${port}`;
