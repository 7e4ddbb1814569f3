import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../version.js';

interface Field {
  readonly name: string;
  readonly type: string;
}

/** Messages of a proto file with their fields; those of a oneof are the message's own, nested enumerations are left out. */
const messagesOf = (proto: string): ReadonlyMap<string, readonly Field[]> => {
  const messages = new Map<string, Field[]>();
  const inside: string[] = [];
  for (const line of proto.split('\n').map((one) => one.replace(/\/\/.*/, '').trim())) {
    const [, kind, opened] = /^(message|oneof|enum|service) (\w+) \{$/.exec(line) ?? [];
    if (kind !== undefined) inside.push(kind === 'oneof' ? inside.at(-1)! : kind === 'message' ? opened! : '');
    else if (line === '}') inside.pop();
    const owner = inside.at(-1) ?? '';
    const [, type, name] = /^(?:optional |repeated )?(map<.*>|\w+) (\w+) = \d+/.exec(line) ?? [];
    if (owner === '' || type === undefined || kind !== undefined) continue;
    messages.set(owner, [...(messages.get(owner) ?? []), { name: name!, type }]);
  }
  return messages;
};

/** `Hello.hostname` and the like: every text that a node can send, as the protocol itself says. */
export const nodeWritableTexts = (): readonly string[] => {
  const proto = readFileSync(join(ROOT, 'proto/agent/v1/agent.proto'), 'utf8');
  const messages = messagesOf(proto);
  const roots = [...proto.matchAll(/rpc \w+\((?:stream )?(\w+)\)/g)].map((match) => match[1]!);
  const seen = new Set<string>();
  const texts: string[] = [];
  const visit = (message: string): void => {
    if (seen.has(message)) return;
    seen.add(message);
    for (const { name, type } of messages.get(message) ?? []) {
      if (type.includes('string')) texts.push(`${message}.${name}`);
      for (const inner of type.match(/\w+/g) ?? []) visit(inner);
    }
  };
  roots.forEach(visit);
  return texts.sort();
};
