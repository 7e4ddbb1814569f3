import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { refusal, RefusedError, type Refusal } from '#kernel';
import { LOGIN_LIMITS, LoginLimits, OPERATOR_AUTHENTICATOR, type OperatorAuthenticator } from '#access';
import { isPublic, type AuthenticatedRequest } from './principal.js';

const HINT = 'send "Authorization: Bearer TOKEN"; the first token is in admin.token in the data directory';

/** One authenticator in front of every surface; a route is closed unless it says otherwise. */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    @Inject(OPERATOR_AUTHENTICATOR) private readonly operators: OperatorAuthenticator,
    @Inject(LOGIN_LIMITS) private readonly limits: LoginLimits,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (isPublic(context.getHandler()) || isPublic(context.getClass())) return true;
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const header = request.headers.authorization;
    if (header === undefined) throw unauthorized('missing_token', 'this needs a bearer token');
    const token = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(header)?.[1];
    if (token === undefined) throw unauthorized('invalid_token', 'the Authorization header is not "Bearer TOKEN"');
    const address = request.socket.remoteAddress ?? '';
    const tooMany = (wait: Refusal) => new RefusedError(wait, this.limits.retryAfter(address, token));
    const early = this.limits.before(address, token);
    if (early !== undefined) throw tooMany(early);
    const principal = await this.operators.authenticate(token);
    if (principal === undefined) {
      const wait = this.limits.failed(address, token);
      throw wait === undefined
        ? unauthorized('invalid_token', 'the token is unknown, expired or revoked')
        : tooMany(wait);
    }
    this.limits.succeeded(token);
    request.principal = principal;
    return true;
  }
}

const unauthorized = (code: string, message: string): RefusedError =>
  new RefusedError(refusal(401, code, message, { field: 'authorization', hint: HINT }));
