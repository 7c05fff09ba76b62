// Logs, failures and republishing through the SDK, with a listener that refuses for a while. The server's retry schedule must be
// far away: what arrives again here was asked for.

import {
  ACCOUNT, Listener, allWell, called, check, docusign, done, newKey, refused, same, sdkClient, until, verified,
} from './support.mjs';

const client = sdkClient();
const connects = new docusign.ConnectApi(client);
const envelopes = new docusign.EnvelopesApi(client);
const listener = await Listener.start();
const [, key] = await newKey();

const configuration = (name) => ({
  configurationType: 'custom', name, urlToPublishTo: listener.url(`/${name}`), allowEnvelopePublish: 'true', allUsers: 'true', enableLog: 'true',
  includeHMAC: 'true', deliveryMode: 'SIM', events: ['envelope-sent'], eventData: { version: 'restv2.1' },
});
const { connectId } = await connects.createConfiguration(ACCOUNT, { connectCustomConfiguration: configuration('logging') });

const sent = async () => (await envelopes.createEnvelope(ACCOUNT, {
  envelopeDefinition: {
    status: 'sent', emailSubject: 'A lease',
    documents: [{ documentBase64: btoa('lease'), name: 'Lease', fileExtension: 'txt', documentId: '1' }],
    recipients: { signers: [{ name: 'Ada', email: 'ada@example.com', recipientId: '1', routingOrder: '1' }] },
  },
})).envelopeId;

// --- a failure is seen ---

listener.answer('/logging', 503);
const first = await sent();
const second = await sent();
const deliveries = Object.fromEntries((await listener.waitFor('/logging', 2))
  .map((message) => [message.json().data.envelopeId, message.headers['x-countersign-delivery']]));
const failures = await until(async () => {
  const found = await connects.listEventFailureLogs(ACCOUNT);
  return found.totalRecords === '2' && found.failures;
}, 'two failures');
const failure = failures.find((one) => one.envelopeId === first);
same([failure.connectId, failure.configUrl, failure.subject], [connectId, listener.url('/logging'), 'A lease'], 'the failure');
check(failure.error.includes('503'), 'why it failed', failure);
done('a failure is seen, with the reason');

// --- logs ---

const { logs } = await connects.listEventLogs(ACCOUNT);
same(logs.map((log) => log.envelopeId).sort(), [first, second].sort(), 'the log');
const entry = await connects.getEventLog(ACCOUNT, logs[0].logId, { additionalInfo: 'true' });
check(JSON.stringify(entry.connectDebugLog ?? '').includes('503'), 'each attempt is told', entry);
done('logged');

// --- republished ---

listener.answer('/logging', 200);
const one = await connects.retryEventForEnvelope(ACCOUNT, first);
same(one.retryQueue.map((result) => [result.configId, result.envelopeId]), [[connectId, first]], 'what was queued');
const again = verified((await listener.waitFor('/logging', 3))[2], [key]);
same(again.json().data.envelopeId, first, 'what arrives again');
check(again.json().retryCount > 0, 'it says that it is a retry', again.json());
same(again.headers['x-countersign-delivery'], deliveries[first], 'it is the same delivery');
const many = await connects.retryEventForEnvelopes(ACCOUNT, { connectFailureFilter: { envelopeIds: [second], synchronous: 'false' } });
same(many.retryQueue.map((result) => result.envelopeId), [second], 'what was queued');
same(verified((await listener.waitFor('/logging', 4))[3], [key]).json().data.envelopeId, second, 'what arrives again');
await until(async () => (await connects.listEventFailureLogs(ACCOUNT)).totalRecords === '0', 'no failures');
done('republished, for one and for many');

// --- failures and logs are deleted ---

listener.answer('/logging', 500);
const third = await sent();
const left = await until(async () => (await connects.listEventFailureLogs(ACCOUNT)).failures?.[0], 'a new failure');
same(left.envelopeId, third, 'the new failure');
await connects.deleteEventFailureLog(ACCOUNT, 'all');
same((await connects.listEventFailureLogs(ACCOUNT)).totalRecords, '0', 'failures that are left');
await connects.deleteEventLogs(ACCOUNT);
same((await connects.listEventLogs(ACCOUNT)).totalRecords, '0', 'log entries that are left');
await refused(404, 'CONNECT_LOG_DOES_NOT_EXIST', connects.getEventLog(ACCOUNT, logs[0].logId));
done('failures and logs are deleted');

// --- historical publish, to a configuration that is not stored ---

const { data: transaction, status } = await called(envelopes, 'createHistoricalEnvelopePublishTransaction', ACCOUNT, {
  connectHistoricalEnvelopeRepublish: { envelopes: [first, second], config: configuration('history') },
});
same([status, transaction.processingStatus], [201, 'processing'], 'a historical publish begins');
const history = (await listener.waitFor('/history', 2)).map((message) => verified(message, [key]));
same(history.map((message) => message.json().data.envelopeId).sort(), [first, second].sort(), 'what is published again');
check(!history.some((message) => Object.values(deliveries).includes(message.headers['x-countersign-delivery'])), 'these are new deliveries');
done('published again to another place');

allWell();
