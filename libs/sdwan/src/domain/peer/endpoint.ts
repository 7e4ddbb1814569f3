import { refusal, type Refusal } from '#kernel';
import { contains, hostCidr, mustCidr, parseIp } from '../ip.js';

const UNUSABLE = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3', '::/127', 'ff00::/8'].map(mustCidr);
const LABEL = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/;

/** Undefined when others can be sent there: an address, or a host name, which the nodes resolve themselves. */
export const endpointRefusal = (host: string): Refusal | undefined => {
  const bad = (message: string, hint: string) =>
    refusal(422, 'endpoint_host_invalid', `endpoint_host ${JSON.stringify(host)} ${message}`, {
      field: 'endpoint_host',
      hint,
    });
  const ip = parseIp(host);
  if (ip !== undefined) {
    const cidr = mustCidr(hostCidr(host));
    return UNUSABLE.some((range) => contains(range, cidr))
      ? bad('is no address that another node can reach', 'give the address or name under which others reach this node')
      : undefined;
  }
  const bare = nearestHost(host);
  if (bare !== host)
    return bad('is more than a host', `use endpoint_host ${bare || 'host.example.org'}; the port is endpoint_port`);
  const labels = host.replace(/\.$/, '').split('.');
  const isName = host.length <= 253 && labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1)!);
  return isName ? undefined : bad('is neither an address nor a host name', 'for example 192.0.2.10 or gw.example.org');
};

/** Without a scheme, a path, brackets and a port. */
const nearestHost = (text: string): string => {
  const host = text
    .trim()
    .replace(/^[a-z][a-z0-9+.-]*:\/\//i, '')
    .replace(/[/?#].*$/, '');
  return host.replace(/^\[(.*)\](:\d*)?$/, '$1').replace(/^([^:]*):\d*$/, '$1');
};
