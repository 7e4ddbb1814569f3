import { Validator } from '@seriousme/openapi-schema-validator';
import type { TestPlatform } from '../../testing/test-platform.js';

/** REST as its callers see it. */
export const restCases = (platform: () => TestPlatform): void => {
  const send = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`${platform().url}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${platform().token}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
  };

  describe('the OpenAPI document', () => {
    it('is valid 3.1 and has every tool', async () => {
      const { body } = await send('GET', 'openapi.json');
      const result = await new Validator().validate(body);
      expect(result).toMatchObject({ valid: true });
      const { body: list } = await send('GET', 'tools');
      for (const { name } of list.data.tools) expect(body.paths).toHaveProperty([`/api/v1/tools/${name}`]);
    });
  });

  describe('resources', () => {
    it('are made, shown with an ETag, changed and removed', async () => {
      const made = await send('POST', 'templates', { name: 'web' }, { 'idempotency-key': 'web' });
      expect([made.status, made.body.data.template.name]).toEqual([200, 'web']);
      expect(made.headers.get('drover-position')).toBe(made.body.data.position);
      const again = await send('POST', 'templates', { name: 'web' }, { 'idempotency-key': 'web' });
      expect(again.body).toEqual(made.body);
      const shown = await send('GET', 'templates/web');
      const tag = shown.headers.get('etag')!;
      expect((await send('GET', 'templates/web', undefined, { 'if-none-match': tag })).status).toBe(304);
      const head = await send('HEAD', 'templates/web');
      expect([head.status, head.headers.get('etag'), head.body]).toEqual([200, tag, undefined]);
      for (const known of ['*', `"other", W/${tag}`])
        for (const method of ['GET', 'HEAD'])
          expect((await send(method, 'templates/web', undefined, { 'if-none-match': known })).status).toBe(304);
      expect((await send('GET', 'templates/web', undefined, { 'if-none-match': '"other"' })).status).toBe(200);
      // The same tool as a POST: nobody keeps the answer to one, so there is nothing it could be the same as.
      const named = { 'if-none-match': `${tag}, *` };
      const posted = await send('POST', 'tools/system_get_template', { template_id: 'web' }, named);
      expect([posted.status, posted.headers.get('etag'), posted.body.data.template.name]).toEqual([200, null, 'web']);
      await send('PATCH', 'templates/web', { description: 'of the web' });
      expect((await send('GET', 'templates/web', undefined, { 'if-none-match': tag })).status).toBe(200);
      expect((await send('GET', 'templates?limit=1')).body.data.templates).toHaveLength(1);
      expect((await send('DELETE', 'templates/web?dry_run=true')).body.data.outcome).toBe('planned');
      expect((await send('DELETE', 'templates/web')).status).toBe(200);
      expect((await send('GET', 'templates/web')).status).toBe(404);
    });

    it('tell a token that opens, also when a call is repeated under its key', async () => {
      const args = { idempotency_key: 'token-of-gw-1' };
      const tokens = [];
      for (let i = 0; i < 2; i++) {
        const { status, body } = await send('POST', 'instances/gw-1/join-tokens', args);
        expect([status, body.data.outcome, typeof body.data.position]).toEqual([200, 'done', 'string']);
        tokens.push(body.data);
      }
      const { body } = await send('GET', 'events?kind_prefix=system.instance.join_token&limit=20');
      const known = body.data.events.map((event: { payload: { token_id?: string } }) => event.payload.token_id);
      for (const { token_id } of tokens) expect(known).toContain(token_id);
    });

    it('refuse in the envelope, or as a problem for who asks for one', async () => {
      const problem = { accept: 'application/problem+json, application/json' };
      const plain = await send('GET', 'templates?limit=none');
      expect([plain.status, plain.body.error.field]).toEqual([400, 'limit']);
      const told = await send('GET', 'templates/nowhere', undefined, problem);
      expect(told.headers.get('content-type')).toContain('application/problem+json');
      expect(told.body).toMatchObject({
        type: 'urn:drover:error:template_not_found',
        status: 404,
        detail: expect.any(String),
      });
      expect((await send('GET', 'nowhere', undefined, problem)).body).toMatchObject({ status: 404, code: 'not_found' });
      expect((await send('PATCH', 'templates/web', {}, { 'if-match': '"x"' })).body.error.code).toBe(
        'unsupported_precondition',
      );
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'HEAD']) {
        const other = await send(method, 'tools/system_get_template', undefined, problem);
        expect([method, other.status, other.headers.get('allow')]).toEqual([method, 405, 'POST']);
        if (method === 'HEAD') continue;
        expect(other.headers.get('content-type')).toContain('application/problem+json');
        expect(other.body).toMatchObject({ code: 'method_not_allowed', hint: expect.stringMatching(/^POST /) });
        expect(other.body.hint.endsWith('or GET /api/v1/templates/{template_id}')).toBe(method === 'GET');
      }
      const unauthorised = { ...problem, authorization: 'Bearer drv_x' };
      expect((await send('GET', 'nodes', undefined, unauthorised)).body).toMatchObject({
        status: 401,
        code: 'invalid_token',
      });
    });
  });
};
