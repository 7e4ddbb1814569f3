#!/usr/bin/env node
// A browser with a person in front of it: opens the address of a login, signs in as OIDC_PERSON, consents, and follows the
// provider back to where it sends them. With OIDC_STOP=1 it does not open that last address but writes it.
const cookies = new Map();

const open = async (url, form) => {
  const response = await fetch(url, {
    redirect: 'manual',
    headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
  });
  for (const cookie of response.headers.getSetCookie()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
    if (value === '') cookies.delete(name);
    else cookies.set(name, value);
  }
  return response;
};

let url = process.argv[2];
const issuer = new URL(url).origin;
let response = await open(url);
for (let step = 0; step < 20; step++) {
  const location = response.headers.get('location');
  if (location !== null) {
    url = new URL(location, url).href;
    if (new URL(url).origin !== issuer) break;
    response = await open(url);
    continue;
  }
  const page = await response.text();
  const action = /<form[^>]*action="([^"]+)"/.exec(page)?.[1];
  // A device login ends at the provider.
  if (action === undefined && /Sign-in Success/.test(page)) process.exit(0);
  if (action === undefined) throw new Error(`no form at ${url}: ${page.slice(0, 500)}`);
  const inputs = [...page.matchAll(/<input[^>]*name="(\w+)"[^>]*value="([^"]*)"/g)].map(([, name, value]) => [
    name,
    value,
  ]);
  const fields = {
    ...Object.fromEntries(inputs),
    ...(page.includes('op.deviceConfirmForm') ? { confirm: 'yes' } : {}),
  };
  if (/op.deviceInputForm/.test(page) && fields.user_code === undefined) throw new Error(`no code at ${url}`);
  const { prompt } = fields;
  const person = { login: process.env.OIDC_PERSON, password: 'any' };
  url = new URL(action, url).href;
  response = await open(url, { ...fields, ...(prompt === 'login' ? person : {}) });
}
if (process.env.OIDC_STOP === '1') process.stdout.write(`${url}\n`);
else await fetch(url);
