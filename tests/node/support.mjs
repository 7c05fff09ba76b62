// What the scripts share: the server under test, the SDK's client, a listener that keeps every message, and checks that say
// what they saw.
//
// The server is named by the environment: TARGET_URL, TARGET_ACCOUNT, TARGET_TOKEN, and under --dev TARGET_HTTPS_URL and
// TARGET_AUTHORITY; NODE_EXTRA_CA_CERTS makes Node trust its development CA.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { setTimeout as pause } from 'node:timers/promises';
import docusign from 'docusign-esign';
import { listen, readBody } from './http.mjs';

export { docusign };
export const {
  TARGET_URL: URL_BASE, TARGET_ACCOUNT: ACCOUNT, TARGET_TOKEN: TOKEN, TARGET_HTTPS_URL: HTTPS_URL, TARGET_AUTHORITY: AUTHORITY,
} = process.env;

// Longest wait for a message or a state: far beyond what any of them takes on a busy machine.
const PATIENCE_MS = 30_000;
/** A GUID that nothing has. */
export const NOWHERE = '00000000-0000-4000-8000-000000000000';

let checks = 0;

/** Fails, with what was seen, unless it holds. */
export function check(holds, what, ...seen) {
  checks += 1;
  if (!holds) {
    throw new Error([what, ...seen.map((item) => JSON.stringify(item))].join(': '));
  }
}

/** Fails unless both are equal. */
export function same(seen, wanted, what) {
  check(isDeepStrictEqual(seen, wanted), `${what}: ${JSON.stringify(seen)} is not ${JSON.stringify(wanted)}`);
}

/** Says that a step is behind us. */
export function done(step) {
  console.log(`  ${step}`);
}

/** The verdict that the test looks for. */
export function allWell() {
  console.log(`all well: ${checks} checks`);
  // Idle connections and the listener would keep the process alive.
  process.exit(0);
}

/** The SDK's client as Docusign's examples make it, with the token of an API user. */
export function sdkClient(token = TOKEN) {
  const client = new docusign.ApiClient();
  client.setBasePath(`${URL_BASE}/restapi`);
  client.addDefaultHeader('Authorization', `Bearer ${token}`);
  return client;
}

/** Calls a method of the SDK in the style with a callback, which shows the answer itself: status, headers and body. */
export function called(api, method, ...given) {
  return new Promise((resolve, reject) => {
    api[method](...given, (error, data, response) => {
      if (error) {
        reject(error);
      } else {
        resolve({ data, status: response.status, headers: response.headers, body: response.data });
      }
    });
  });
}

/** Fails unless the SDK's promise is refused so; gives the message. */
export async function refused(status, errorCode, promise) {
  let answer;
  try {
    answer = await promise;
  } catch (error) {
    check(error.response, 'there is an answer', String(error));
    const { status: seen, data, headers } = error.response;
    same([seen, data.errorCode], [status, errorCode], `the refusal ${JSON.stringify(data)}`);
    check(data.message, 'a refusal says why', data);
    check(headers['x-docusign-tracetoken'], 'a refusal names its trace token', headers);
    return data.message;
  }
  throw new Error(`this was not refused: ${JSON.stringify(answer)}`);
}

/** A request past the SDK: status and JSON. */
export async function raw(method, path, { body, token = TOKEN, base = URL_BASE, form, headers = {} } = {}) {
  const answer = await fetch(base + path, {
    method,
    headers: {
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...headers,
    },
    body: form ? new URLSearchParams(form) : body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const text = await answer.text();
  return [answer.status, text ? JSON.parse(text) : null];
}

/** A request to the project's own API of the account, which must be answered 2xx; gives the JSON. */
export async function api(method, path, body) {
  const [status, answer] = await raw(method, `/api/v1/accounts/${ACCOUNT}${path}`, { body });
  check(status >= 200 && status < 300, `${method} ${path} was answered ${status}`, answer);
  return answer;
}

/** A raw request to Connect: status and JSON. */
export function connect(method, path, body) {
  return raw(method, `/restapi/v2.1/accounts/${ACCOUNT}/connect${path}`, { body });
}

/** Plays a recipient of an envelope. */
export function play(envelope, recipient, action, more = {}) {
  return api('POST', `/envelopes/${envelope}/recipients/${recipient}/actions`, { action, ...more });
}

/** Makes an HMAC key: its id and its text. */
export async function newKey() {
  const [status, key] = await connect('POST', '/secret', {});
  same(status, 201, 'a key is made');
  return [key.keyId, key.secret];
}

/** Checks every signature of a message over its bytes as they arrived, one for each key, in the order of the keys. */
export function verified(message, keys) {
  const prefix = 'x-docusign-signature-';
  const numbers = Object.keys(message.headers).filter((name) => name.startsWith(prefix)).map((name) => Number(name.slice(prefix.length)));
  same(numbers.sort((a, b) => a - b), keys.map((_, index) => index + 1), 'signatures are numbered without a gap, one for each key');
  keys.forEach((key, index) => {
    const wanted = createHmac('sha256', key).update(message.body).digest();
    const seen = Buffer.from(message.headers[`${prefix}${index + 1}`], 'base64');
    check(seen.length === wanted.length && timingSafeEqual(seen, wanted), `signature ${index + 1} fits`, message.headers);
  });
  if (keys.length > 0) {
    same(message.headers['x-authorization-digest'], 'HMACSHA256', 'the digest is named');
  }
  same(message.headers['x-docusign-accountid']?.toLowerCase(), ACCOUNT, 'the account is named');
  return message;
}

/** The event and, where there is one, whom it is about. */
export function told(message) {
  const { event, data } = JSON.parse(message.body);
  return data.recipientId === undefined ? event : `${event} ${data.recipientId}`;
}

/** An HTTP server that keeps every message, and answers 200 unless told otherwise. */
export class Listener {
  #messages = [];
  #statuses = new Map();
  #waiting = new Set();

  static async start() {
    const listener = new Listener();
    const server = createServer(async (request, response) => {
      const body = await readBody(request);
      listener.#messages.push({ path: request.url, headers: request.headers, body, json: () => JSON.parse(body) });
      response.writeHead(listener.#statuses.get(request.url) ?? 200).end();
      listener.#waiting.forEach((look) => look());
    });
    listener.base = `http://127.0.0.1:${await listen(server)}`;
    return listener;
  }

  url(path) {
    return this.base + path;
  }

  /** Answers everything at this path with this status. */
  answer(path, status) {
    this.#statuses.set(path, status);
  }

  /** What has arrived at this path so far. */
  messages(path) {
    return this.#messages.filter((message) => message.path === path);
  }

  /** Waits until so many messages have arrived at this path, and gives them. */
  waitFor(path, count) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const arrived = this.messages(path);
        if (arrived.length >= count) {
          clearTimeout(bound);
          this.#waiting.delete(look);
          resolve(arrived);
        }
      };
      const bound = setTimeout(() => {
        this.#waiting.delete(look);
        const arrived = this.messages(path).map((message) => message.body.toString().slice(0, 200));
        reject(new Error(`${arrived.length} of ${count} messages at ${path}: ${arrived}`));
      }, PATIENCE_MS);
      this.#waiting.add(look);
      look();
    });
  }
}

/** Looks again until there is something to see, and gives it: for states that nobody announces. */
export async function until(look, what) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    if (seen) {
      return seen;
    }
    if (Date.now() > deadline) {
      throw new Error(`waited in vain for ${what}`);
    }
    await pause(20);
  }
}
