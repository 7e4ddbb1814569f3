import type { Metadata } from '@grpc/grpc-js';
import { accessDenied, notAuthenticated } from './faults.js';

export interface Users {
  /** Password by name. `admin` is in $admins; who is not may read and write streams, but not $all. */
  readonly [name: string]: string;
}

/** Basic credentials, as a secured server asks for them; without users the server is insecure and everyone may do all. */
export class Access {
  constructor(private readonly users: Users | undefined) {}

  check(metadata: Metadata, wantsAll: boolean): void {
    if (this.users === undefined) return;
    const header = String(metadata.get('authorization')[0] ?? '');
    if (header === '') throw accessDenied();
    const [name = '', ...rest] = Buffer.from(header.replace(/^Basic /i, ''), 'base64')
      .toString()
      .split(':');
    if (this.users[name] === undefined || this.users[name] !== rest.join(':')) throw notAuthenticated();
    if (wantsAll && name !== 'admin') throw accessDenied();
  }
}
