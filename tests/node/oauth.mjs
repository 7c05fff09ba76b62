// `connect/oauth` through the SDK, against the development authorization server: every message brings a JWT that jose verifies
// with the server's published keys.

import { createRemoteJWKSet, jwtVerify } from 'jose';
import { ACCOUNT, AUTHORITY, Listener, allWell, api, called, check, docusign, done, refused, same, sdkClient } from './support.mjs';

const connects = new docusign.ConnectApi(sdkClient());
const listener = await Listener.start();
const keys = createRemoteJWKSet(new URL(`${AUTHORITY}/jwks`));
const audience = 'urn:countersign:node';
const connection = (more) => ({
  connectOAuthConfig: {
    authorizationServerUrl: `${AUTHORITY}/token`, clientId: 'countersign-dev', clientSecret: 'countersign-dev-secret', ...more,
  },
});

await refused(404, 'OAUTH_CONNECTION_NOT_FOUND', connects.getConnectOAuthConfig(ACCOUNT));
const words = await refused(400, 'AUTHORIZATION_SERVER_REFUSED', connects.createConnectOAuthConfig(ACCOUNT, connection({ clientSecret: 'wrong' })));
check(words.includes('invalid_client'), "the server's own words", words);
await refused(404, 'OAUTH_CONNECTION_NOT_FOUND', connects.getConnectOAuthConfig(ACCOUNT));
done('a connection that cannot work is refused and not saved');

const { status } = await called(connects, 'createConnectOAuthConfig', ACCOUNT, connection({ customParameters: { audience } }));
same(status, 201, 'a connection is saved');
const read = await connects.getConnectOAuthConfig(ACCOUNT);
same([read.clientId, { ...read.customParameters }], ['countersign-dev', { audience }], 'the connection');
check(read.clientSecret !== 'countersign-dev-secret', 'the secret is not shown', read);
done('saved and read');

await connects.createConfiguration(ACCOUNT, {
  connectCustomConfiguration: {
    configurationType: 'custom', name: 'oauth', urlToPublishTo: listener.url('/oauth'), allowEnvelopePublish: 'true', allUsers: 'true',
    includeOAuth: 'true', deliveryMode: 'SIM', events: ['click-agreed'], eventData: { version: 'restv2.1' },
  },
});
for (let click = 0; click < 5; click += 1) {
  await api('POST', '/events', { event: 'click-agreed', data: { click } });
}
const ids = new Set();
for (const message of await listener.waitFor('/oauth', 5)) {
  const token = /^Bearer (.+)$/.exec(message.headers.authorization)[1];
  const { payload } = await jwtVerify(token, keys, { issuer: AUTHORITY, audience, typ: 'at+jwt' });
  same(payload.client_id, 'countersign-dev', 'the client in the token');
  ids.add(payload.jti);
}
same(ids.size, 1, 'tokens for all messages');
done('every message brings a token that jose verifies');

const changed = await connects.updateConnectOAuthConfig(ACCOUNT, { connectOAuthConfig: { customParameters: { audience: 'urn:other' } } });
same([changed.clientId, { ...changed.customParameters }], ['countersign-dev', { audience: 'urn:other' }], 'what is absent stays');
await api('POST', '/events', { event: 'click-agreed', data: { click: 5 } });
const [, token] = (await listener.waitFor('/oauth', 6))[5].headers.authorization.split(' ');
await jwtVerify(token, keys, { issuer: AUTHORITY, audience: 'urn:other' });
done('a change takes effect at once');

await connects.deleteConnectOAuthConfig(ACCOUNT);
await refused(404, 'OAUTH_CONNECTION_NOT_FOUND', connects.getConnectOAuthConfig(ACCOUNT));
done('deleted');

allWell();
