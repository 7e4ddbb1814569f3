import type { WgPeer, WgState } from './driver.js';
import { checkErrno, decodeGet } from './uapi-codec.js';

interface Known {
  readonly text: string;
  readonly peer: WgPeer;
}

const START = 'public_key=';
const BREAK = `\n${START}`;
/** An answer without peers, around the one block that is parsed. */
const END = '\nerrno=0\n\n';

/**
 * Parses answers to `get=1` of one interface, again and again: of a thousand peers hardly any differs from one second to the
 * next. A peer whose lines are the same is the same object as before, so that whoever compares need not look at it again.
 */
export class PeerBlocks {
  private known = new Map<string, Known>();
  private head = { text: '', publicKey: '', listenPort: 0 };

  decode(answer: string): WgState {
    checkErrno(answer);
    const end = answer.lastIndexOf('\nerrno=');
    const first = answer.startsWith(START) ? 0 : answer.indexOf(BREAK) + 1;
    const none = first === 0 && !answer.startsWith(START);
    const { publicKey, listenPort } = this.header(none ? answer : answer.slice(0, first));
    const next = new Map<string, Known>();
    for (let at = none ? end : first; at < end;) {
      const after = answer.indexOf(BREAK, at);
      const to = after < 0 ? end : after;
      const text = answer.slice(at, to);
      const key = text.slice(START.length, text.indexOf('\n') < 0 ? undefined : text.indexOf('\n'));
      next.set(key, this.block(key, text));
      at = to + 1;
    }
    this.known = next;
    return { publicKey, listenPort, peers: [...next.values()].map(({ peer }) => peer) };
  }

  private block(key: string, text: string): Known {
    const before = this.known.get(key);
    return before?.text === text ? before : { text, peer: decodeGet(`${text}${END}`).peers[0]! };
  }

  /** To have the public key of the private one takes longer than all the rest. */
  private header(text: string) {
    if (this.head.text !== text) {
      const { publicKey, listenPort } = decodeGet(text.includes('errno=') ? text : `${text.trimEnd()}${END}`);
      this.head = { text, publicKey, listenPort };
    }
    return this.head;
  }
}
