const reasons: Record<number, string> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  410: 'Expired',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

/** A Kubernetes `Status` answer, thrown to end a request. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    readonly code: number,
    message: string,
    readonly details: object | undefined = undefined,
    readonly reason = reasons[code] ?? 'Unknown',
  ) {
    super(message);
  }

  toStatus(): object {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

export const notFound = (resource: string, name: string): ApiError =>
  new ApiError(404, `${resource} "${name}" not found`, { name, kind: resource });
export const alreadyExists = (resource: string, name: string): ApiError =>
  new ApiError(409, `${resource} "${name}" already exists`, { name, kind: resource }, 'AlreadyExists');
export const conflict = (resource: string, name: string): ApiError =>
  new ApiError(
    409,
    `Operation cannot be fulfilled on ${resource} "${name}": the object has been modified; please apply your changes to the latest version and try again`,
    { name, kind: resource },
  );
export const gone = (): ApiError => new ApiError(410, 'The resourceVersion for the provided watch is too old.');
