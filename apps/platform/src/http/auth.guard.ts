import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { refusal, RefusedError } from '#kernel';
import { ADMISSION, Admission, type TrustedProxies } from '#access';
import { isPublic, type AuthenticatedRequest } from './principal.js';
import { senderOf, TRUSTED_PROXIES } from './sender.js';

const HINT = 'send "Authorization: Bearer TOKEN"; the first token is in admin.token in the data directory';

/** One authenticator in front of every surface; a route is closed unless it says otherwise. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    @Inject(ADMISSION) private readonly admission: Admission,
    @Inject(TRUSTED_PROXIES) private readonly proxies: TrustedProxies,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (isPublic(context.getHandler()) || isPublic(context.getClass())) return true;
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const header = request.headers.authorization;
    if (header === undefined) throw unauthorized('missing_token', 'this needs a bearer token');
    const token = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(header)?.[1];
    if (token === undefined) throw unauthorized('invalid_token', 'the Authorization header is not "Bearer TOKEN"');
    const admitted = await this.admission.admit(senderOf(request, this.proxies), token);
    if (admitted.kind === 'out')
      throw admitted.wait ?? unauthorized('invalid_token', 'the token is unknown, expired or revoked');
    request.principal = admitted.principal;
    return true;
  }
}

const unauthorized = (code: string, message: string): RefusedError =>
  new RefusedError(refusal(401, code, message, { field: 'authorization', hint: HINT }));
