import ipaddr from 'ipaddr.js';
import { refusal, type Refusal } from '#kernel';

/**
 * Whether a platform may be made to send there. Anything but a public unicast address is refused: loopback, private,
 * link-local (the metadata service of clouds), carrier-grade NAT, multicast, and all ranges that embed an IPv4 address.
 */
export const isPublicAddress = (address: string): boolean => {
  if (!ipaddr.isValid(address)) return false;
  return ipaddr.process(address).range() === 'unicast';
};

/** The host of a URL as an address, when it is one; the URL parser has brought `0x7f.1` and the like to the usual form. */
export const literalAddress = (url: URL): string | undefined => {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return ipaddr.isValid(host) ? host : undefined;
};

const bad = (code: string, message: string, hint: string): Refusal =>
  refusal(400, code, message, { field: 'url', hint });

/** What can be said of a URL before its name is looked up: a refusal, or the URL. */
export const checkTarget = (text: string, allowPrivate: boolean): URL | Refusal => {
  if (!URL.canParse(text))
    return bad('invalid_parameter', 'url: is not a URL', 'for example https://hooks.example.com/drover');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return bad(
      'invalid_parameter',
      `url: ${url.protocol} is not http: or https:`,
      `did you mean https://${url.host || 'hooks.example.com'}${url.pathname}?`,
    );
  if (url.username !== '' || url.password !== '')
    return bad(
      'invalid_parameter',
      'url: must not hold a user or password',
      'deliveries are signed: check webhook-signature instead',
    );
  const address = literalAddress(url);
  const isLocalName = /(^|\.)localhost\.?$/i.test(url.hostname);
  if (!allowPrivate && (isLocalName || (address !== undefined && !isPublicAddress(address))))
    return bad(
      'private_target',
      `url: ${url.hostname} is not a public address`,
      'DROVER_WEBHOOK_ALLOW_PRIVATE=yes allows such targets',
    );
  url.hash = '';
  return url;
};
