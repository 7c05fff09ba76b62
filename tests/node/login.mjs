// The SDK's login helpers, over the https port of --dev: the JWT grant, the authorization-code grant, who the user is; and the API
// with the tokens they give.

import { ACCOUNT, HTTPS_URL, NOWHERE, URL_BASE, allWell, api, check, docusign, done, same } from './support.mjs';

const host = HTTPS_URL.replace('https://', '');
const redirect = 'http://127.0.0.1:1/callback';
const scopes = ['signature', 'impersonation'];
const user = (await api('GET', '/users')).users.find((one) => one.admin);
const key = await api('POST', '/integration-keys', { name: 'Node SDK', generateKeyPair: true, redirectUris: [redirect] });
const other = await api('POST', '/integration-keys', { name: 'another', generateKeyPair: true });

function newClient() {
  const client = new docusign.ApiClient({ basePath: `${URL_BASE}/restapi` });
  client.setOAuthBasePath(host);
  return client;
}

async function loginRefused(description, promise) {
  try {
    await promise;
  } catch (error) {
    const { status, data } = error.response ?? {};
    return same([status, data?.error, data?.error_description], [400, 'invalid_grant', description], String(error));
  }
  throw new Error(`this was let in: ${description}`);
}

// --- the JWT grant ---

const client = newClient();
const { body: granted } = await client.requestJWTUserToken(key.clientId, user.id, scopes, key.privateKeyPem, 3600);
same(granted.token_type, 'Bearer', 'the token');
client.addDefaultHeader('Authorization', `Bearer ${granted.access_token}`);
same((await new docusign.ConnectApi(client).listConfigurations(ACCOUNT)).totalRecords, '0', 'the token opens the API');
const info = await client.getUserInfo(granted.access_token);
same([info.sub, info.email], [user.id, user.email], 'the user');
const account = info.accounts[0];
same([account.accountId, account.baseUri, String(account.isDefault)], [ACCOUNT, URL_BASE, 'true'], 'the account');
done('the JWT grant');

await loginRefused('no_valid_keys_or_signatures', newClient().requestJWTUserToken(key.clientId, user.id, scopes, other.privateKeyPem, 3600));
await loginRefused('issuer_not_found', newClient().requestJWTUserToken(NOWHERE, user.id, scopes, key.privateKeyPem, 3600));
await loginRefused('user_not_found', newClient().requestJWTUserToken(key.clientId, NOWHERE, scopes, key.privateKeyPem, 3600));
done('who is not who they say is refused');

// --- the authorization-code grant: consent is given at once under --dev ---

const page = newClient().getAuthorizationUri(key.clientId, ['signature'], redirect, 'code', 'a state');
check(page.startsWith(`${HTTPS_URL}/oauth/auth?`), 'the consent page', page);
const consent = await fetch(page, { redirect: 'manual' });
same(consent.status, 302, 'the consent page redirects');
const returned = new URL(consent.headers.get('location'));
check(returned.href.startsWith(redirect), 'to where the application said', returned.href);
same(returned.searchParams.get('state'), 'a state', 'the state comes back');
const code = returned.searchParams.get('code');
const token = await newClient().generateAccessToken(key.clientId, key.clientSecret, code);
check(token.accessToken && token.refreshToken, 'the token', token);
const visitor = newClient();
visitor.setJWTToken(token.accessToken);
same((await new docusign.ConnectApi(visitor).listConfigurations(ACCOUNT)).totalRecords, '0', 'the token opens the API');
try {
  await newClient().generateAccessToken(key.clientId, key.clientSecret, code);
  throw new Error('a code was taken twice');
} catch (error) {
  same([error.response?.status, error.response?.data?.error], [400, 'invalid_grant'], `a code is good for one time: ${error}`);
}
done('the authorization-code grant');

allWell();
