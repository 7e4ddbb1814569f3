import type { Place } from './hunt.js';

/** An operator over REST whose every answer is kept, to be searched afterwards. */
export class TellingClient {
  readonly heard: Place[] = [];

  constructor(
    private readonly url: () => string,
    private readonly token: () => string,
  ) {}

  async call<T>(tool: string, args: object = {}): Promise<T> {
    const body = JSON.stringify(args);
    const text = await this.request(`answer of ${tool}`, `/api/v1/tools/${tool}`, { method: 'POST', body });
    const answer = JSON.parse(text) as { success: boolean; data: T; error?: { message: string } };
    if (!answer.success) throw new Error(`${tool}: ${answer.error?.message}`);
    return answer.data;
  }

  async request(name: string, path: string, init: RequestInit = {}): Promise<string> {
    const headers = { authorization: `Bearer ${this.token()}`, 'content-type': 'application/json', ...init.headers };
    const response = await fetch(`${this.url()}${path}`, { ...init, headers });
    const text = await response.text();
    const said = [...response.headers].map((pair) => pair.join(': ')).join('\n');
    this.heard.push({ name, content: Buffer.from(`${response.status}\n${said}\n${text}`) });
    return text;
  }
}
