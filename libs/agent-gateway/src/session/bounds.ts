import type { agentV1 } from '#proto';

type Up = NonNullable<agentV1.SyncRequest['message']>;

const ID = 128;
const MAX_SECTIONS = 4_096;
/** Kinds of things that an agent keeps in order. */
const MAX_DRIFTS = 16;
const MAX_PEERS = 16_384;
const MAX_CAPABILITIES = 64;
const MAX_ADDRESSES = 64;
const MAX_ERRORS = 32;
const TEXT = 1_000;
/** So many entries of a list weigh as much as one message in the queue of what observers have not heard yet. */
const ENTRIES_A_MESSAGE = 16;

const short = (...texts: readonly string[]): boolean => texts.every((text) => text.length <= ID);

const helloFits = (hello: agentV1.Hello): boolean => {
  const { agentVersion, architecture, bootId, storeEpoch, hostname, sections, underlayAddresses, vipEpochs } = hello;
  const capabilities = Object.entries(hello.capabilities);
  return (
    short(agentVersion, architecture, bootId, storeEpoch) &&
    hostname.length <= 253 &&
    sections.length <= MAX_SECTIONS &&
    sections.every(({ name, hash }) => short(name, hash)) &&
    underlayAddresses.length <= MAX_ADDRESSES &&
    short(...underlayAddresses) &&
    vipEpochs.length <= MAX_SECTIONS &&
    vipEpochs.every(({ vipId }) => short(vipId)) &&
    capabilities.length <= MAX_CAPABILITIES &&
    capabilities.every(([name, value]) => short(name, value)) &&
    hello.memoryBytes <= BigInt(Number.MAX_SAFE_INTEGER)
  );
};

/** Whether the fields that are kept or compared have a sane length; a message may have 4 MiB, an event has far less room. */
export const fits = (message: Up): boolean => {
  switch (message.$case) {
    case 'hello':
      return helloFits(message.value);
    case 'applied':
      return short(message.value.section, message.value.hash);
    case 'vipAck':
    case 'leaseBeat':
      return short(message.value.vipId);
    case 'votePromise':
      return short(message.value.vipId, message.value.question ?? '');
    case 'observed': {
      const { networkId, peers } = message.value;
      const known = peers.length <= MAX_PEERS && peers.every((peer) => short(peer.publicKey, peer.endpoint));
      return known && short(networkId);
    }
    case 'peerKey':
      return short(message.value.networkId, message.value.publicKey, message.value.nextPublicKey ?? '');
    case 'driftRepaired':
      return short(message.value.networkId, ...message.value.what) && message.value.what.length <= MAX_DRIFTS;
    case 'tunnelFailed':
      return short(message.value.tunnelId);
    default:
      return true;
  }
};

const routingOf = (routing: agentV1.Routing): agentV1.Routing => ({
  daemon: routing.daemon.slice(0, ID),
  error: routing.error.slice(0, TEXT),
  sessions: routing.sessions.slice(0, MAX_PEERS).map((session) => ({
    ...session,
    peerId: session.peerId.slice(0, ID),
    state: session.state.slice(0, ID),
    bfd: session.bfd.slice(0, ID),
  })),
  learned: routing.learned.slice(0, MAX_PEERS).map((learned) => ({
    ...learned,
    prefix: learned.prefix.slice(0, ID),
    peerId: learned.peerId.slice(0, ID),
  })),
});

/** Free text is cut, not refused: an honest agent may have a long error to tell. */
export const trimmed = (message: Up): Up => {
  switch (message.$case) {
    case 'applied': {
      const errors = message.value.errors.slice(0, MAX_ERRORS).map((error) => error.slice(0, TEXT));
      return { ...message, value: { ...message.value, errors } };
    }
    case 'vipAck':
      return { ...message, value: { ...message.value, error: message.value.error.slice(0, TEXT) } };
    case 'log': {
      const { level, message: text } = message.value;
      return { ...message, value: { level: level.slice(0, 16), message: text.slice(0, TEXT) } };
    }
    case 'runtimeHealth':
      return {
        ...message,
        value: {
          ...message.value,
          detail: message.value.detail.slice(0, TEXT),
          argsDigest: message.value.argsDigest.slice(0, ID),
          binaryDigest: message.value.binaryDigest?.slice(0, ID),
        },
      };
    case 'observed': {
      const { routing } = message.value;
      return routing === undefined ? message : { ...message, value: { ...message.value, routing: routingOf(routing) } };
    }
    case 'tunnelFailed':
      return { ...message, value: { ...message.value, error: message.value.error.slice(0, TEXT) } };
    default:
      return message;
  }
};

/** Its weight in the queue of unheard messages, in messages. */
export const weightOf = (message: Up): number =>
  message.$case === 'observed' ? 1 + Math.ceil(message.value.peers.length / ENTRIES_A_MESSAGE) : 1;
