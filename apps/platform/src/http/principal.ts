import { createParamDecorator, SetMetadata, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { Principal } from '#access';

export type AuthenticatedRequest = Request & { principal?: Principal };

const PUBLIC = 'drover:public';

/** Opens a route to callers without a token. Everything else is closed. */
export const Public = () => SetMetadata(PUBLIC, true);
export const isPublic = (target: object): boolean => Reflect.getMetadata(PUBLIC, target) === true;

/** The operator behind the request; the guard has put it there. */
export const CallerPrincipal = createParamDecorator((_: unknown, context: ExecutionContext): Principal => {
  const { principal } = context.switchToHttp().getRequest<AuthenticatedRequest>();
  if (principal === undefined) throw new Error('a route without a principal must be @Public()');
  return principal;
});
