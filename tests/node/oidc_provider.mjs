// A certified authorization server (npm oidc-provider) that issues the tokens of the tests, and tells what it was asked.
//
//   node oidc_provider.mjs '{"clients": [{"client_id": "sender", "client_secret": "s3cret"}], "ttl": 600}'
//
// Tokens are JWTs, but for the resources in `opaqueResources`. The first line on stdout is {"issuer": ..., "tokenUrl": ..., "jwksUrl": ...,
// "introspectionUrl": ...}; it runs until its stdin ends. Under /control, for the tests alone:
//
//   GET /control/token-requests   every token request so far: what came, and what was answered
//   PUT /control/settings         other clients or another time to live, from now on; keys and issuer stay

import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';
import { answerJson, listen, readBody } from './http.mjs';

const settings = { ttl: 600, clients: [], opaqueResources: [], ...JSON.parse(process.argv[2] ?? '{}') };
const tokenRequests = [];
const { privateKey } = await generateKeyPair('RS256', { extractable: true });
const signingKey = { ...(await exportJWK(privateKey)), kid: 'test-key', use: 'sig', alg: 'RS256' };

const server = createServer((request, response) => {
  handle(request, response).catch((error) => answerJson(response, 500, { error: String(error) }));
});
const issuer = `http://127.0.0.1:${await listen(server)}`;
let callback = newProvider();
console.log(JSON.stringify({ issuer, tokenUrl: `${issuer}/token`, jwksUrl: `${issuer}/jwks`, introspectionUrl: `${issuer}/token/introspection` }));
process.stdin.resume().on('end', () => process.exit(0));

async function handle(request, response) {
  if (request.url === '/control/token-requests') {
    return answerJson(response, 200, tokenRequests);
  }
  if (request.url === '/control/settings' && request.method === 'PUT') {
    Object.assign(settings, JSON.parse(await readBody(request)));
    callback = newProvider();
    return answerJson(response, 200, settings);
  }
  if (request.url === '/token') {
    await noteDown(request, response);
  }
  return callback(request, response);
}

// Keeps what a token request brought. The provider takes a body that was read before it from `request.body`.
async function noteDown(request, response) {
  request.body = (await readBody(request)).toString();
  const [scheme, credentials = ''] = (request.headers.authorization ?? '').split(' ');
  const seen = {
    parameters: Object.fromEntries(new URLSearchParams(request.body)),
    repeated: [...new URLSearchParams(request.body).keys()].length !== new Set(new URLSearchParams(request.body).keys()).size,
    scheme,
    basic: Buffer.from(credentials, 'base64').toString(),
    status: null,
  };
  tokenRequests.push(seen);
  response.on('finish', () => {
    seen.status = response.statusCode;
  });
}

// Clients are fixed when a provider is made, so that other clients take another provider: same issuer, same keys.
function newProvider() {
  const provider = new Provider(issuer, {
    clients: settings.clients.map((client) => ({
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      scope: 'notify',
      ...client,
    })),
    scopes: ['notify'],
    jwks: { keys: [signingKey] },
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        // A JWT is issued only for a resource. Without the parameter `resource` it is what `audience` names, as other servers have it.
        defaultResource: (ctx) => ctx.oidc.body?.audience ?? 'urn:countersign:listener',
        getResourceServerInfo: (_ctx, resource) => ({
          scope: 'notify',
          audience: resource,
          accessTokenTTL: settings.ttl,
          accessTokenFormat: settings.opaqueResources.includes(resource) ? 'opaque' : 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  return provider.callback();
}
