// A listener that checks the token of every message with jose, and tells what it found.
//
//   node token_listener.mjs '{"issuer": "http://...", "jwksUrl": "http://.../jwks"}'
//
// The first line on stdout is {"url": ...}; it runs until its stdin ends. A message is answered 200 when its token is good and 401
// when it is not. Under /control, for the tests alone:
//
//   GET /control/messages      every message so far and the verdict on its token, in order of arrival
//   POST /control/revoke       from now on tokens seen so far are refused, as by a listener that knows they were revoked

import { createServer } from 'node:http';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { answerJson, listen, readBody } from './http.mjs';

const { issuer, jwksUrl } = JSON.parse(process.argv[2]);
const keys = createRemoteJWKSet(new URL(jwksUrl));
const messages = [];
const seen = new Set();
let revoked = new Set();

const server = createServer((request, response) => {
  handle(request, response).catch((error) => answerJson(response, 500, { error: String(error) }));
});
console.log(JSON.stringify({ url: `http://127.0.0.1:${await listen(server)}` }));
process.stdin.resume().on('end', () => process.exit(0));

async function handle(request, response) {
  if (request.url === '/control/messages') {
    return answerJson(response, 200, messages);
  }
  if (request.url === '/control/revoke') {
    revoked = new Set(seen);
    return answerJson(response, 200, { revoked: revoked.size });
  }
  const message = {
    path: request.url,
    delivery: request.headers['x-countersign-delivery'],
    authorization: (request.headers.authorization ?? '').split(' ')[0],
    body: (await readBody(request)).toString(),
    refused: null,
    claims: null,
  };
  try {
    message.claims = await verified(request.headers.authorization, JSON.parse(message.body).generatedDateTime);
  } catch (error) {
    message.refused = error.message;
  }
  messages.push(message);
  if (message.refused) {
    return answerJson(response, 401, { error: message.refused }, { 'WWW-Authenticate': 'Bearer error="invalid_token"' });
  }
  return answerJson(response, 200, {});
}

async function verified(authorization, generatedDateTime) {
  const token = /^Bearer ([^ ]+)$/.exec(authorization ?? '')?.[1];
  if (!token) {
    throw new Error('there is no bearer token');
  }
  // No tolerance: a token that has expired is refused. It is looked at with the eyes of the moment at which the message was made:
  // what a busy machine took for the way since then says nothing about the sender.
  const rules = { issuer, typ: 'at+jwt', algorithms: ['RS256'], clockTolerance: 0, currentDate: new Date(generatedDateTime) };
  const { payload } = await jwtVerify(token, keys, rules);
  seen.add(payload.jti);
  if (revoked.has(payload.jti)) {
    throw new Error('the token was revoked');
  }
  return payload;
}
