import type { Request, Response } from 'express';
import { sha256Hex } from '#kernel';
import { problemOf, restAnswer, type Envelope, type ToolAnswer } from '#tools';

const wantsProblem = (request: Request): boolean =>
  (request.headers.accept ?? '').toLowerCase().includes('application/problem+json');

/** One envelope for all, or a problem detail for who asked for that. */
export const sendEnvelope = (request: Request, response: Response, status: number, body: Envelope): void => {
  if (body.success || !wantsProblem(request)) return void response.status(status).json(body);
  response
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify(problemOf(status, body.error)));
};

const ifNoneMatch = (request: Request): string[] =>
  (request.get('if-none-match') ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));

/** A tool's answer over REST. What a GET read has an ETag; what was begun and goes on is a 202 with its Location. */
export const sendAnswer = (
  request: Request,
  response: Response,
  answer: ToolAnswer,
  how: { readonly read: boolean; readonly resource: boolean },
): void => {
  const { status, body } = restAnswer(answer);
  if (!body.success) return sendEnvelope(request, response, status, body);
  if (how.read) {
    // A read that is a POST (its arguments are the body) is answered whole: 304 means what a GET has (RFC 9110, 13.1.2).
    if (request.method !== 'GET' && request.method !== 'HEAD') return sendEnvelope(request, response, status, body);
    const tag = `"${sha256Hex(JSON.stringify(body.data)).slice(0, 32)}"`;
    response.setHeader('ETag', tag);
    const known = ifNoneMatch(request);
    if (known.includes(tag) || known.includes('*')) return void response.status(304).end();
    return sendEnvelope(request, response, status, body);
  }
  const { position, operation, approval_id } = body.data as {
    position?: string;
    operation?: { url: string };
    approval_id?: string;
  };
  if (position !== undefined) response.setHeader('Drover-Position', position);
  const goesOn = approval_id === undefined ? operation?.url : `/api/v1/approvals/${approval_id}`;
  if (goesOn !== undefined) response.setHeader('Location', goesOn);
  const isBegun = how.resource && request.method === 'POST' && goesOn !== undefined;
  sendEnvelope(request, response, isBegun ? 202 : status, body);
};
