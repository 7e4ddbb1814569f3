import { isIP } from 'node:net';

/** `10.0.0.0/8`, or one address. Undefined for what is neither. */
export const parseCidr = (text: string): { readonly net: string; readonly bits: number } | undefined => {
  const [, net = '', length] = /^([0-9A-Fa-f.:]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const whole = { 4: 32, 6: 128 }[isIP(net)] ?? -1;
  const bits = length === undefined ? whole : Number(length);
  return whole < 0 || bits > whole ? undefined : { net, bits };
};

export const isCidr = (text: string): boolean => parseCidr(text) !== undefined;
