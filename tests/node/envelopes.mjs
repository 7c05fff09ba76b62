// Envelopes through the SDK: sent to two recipients one after the other, played to the end, polled, and withdrawn, while an
// account-level configuration and the envelope's own listen.

import {
  ACCOUNT, Listener, NOWHERE, allWell, called, check, docusign, done, newKey, play, refused, same, sdkClient, told, verified,
} from './support.mjs';

const client = sdkClient();
const envelopes = new docusign.EnvelopesApi(client);
const listener = await Listener.start();
const began = new Date(Date.now() - 60_000);
const keys = [(await newKey())[1], (await newKey())[1]];

await new docusign.ConnectApi(client).createConfiguration(ACCOUNT, {
  connectCustomConfiguration: {
    configurationType: 'custom', name: 'everything', urlToPublishTo: listener.url('/account'), allowEnvelopePublish: 'true',
    allUsers: 'true', includeHMAC: 'true', deliveryMode: 'SIM',
    events: [
      'envelope-created', 'envelope-sent', 'envelope-delivered', 'envelope-completed', 'envelope-declined', 'envelope-voided',
      'recipient-sent', 'recipient-delivered', 'recipient-completed', 'recipient-declined',
    ],
    eventData: { version: 'restv2.1', includeData: ['custom_fields', 'recipients', 'tabs', 'documents'] },
  },
});

const signer = (recipientId, name, tabs) => docusign.Signer.constructFromObject({
  name, email: `${name.split(' ')[0].toLowerCase()}@example.com`, recipientId, routingOrder: recipientId,
  tabs: { signHereTabs: [{ documentId: '1', pageNumber: '1', xPosition: '100', yPosition: '100' }], ...tabs },
});

const definition = (more) => ({
  envelopeDefinition: docusign.EnvelopeDefinition.constructFromObject({
    emailSubject: 'Please sign the lease',
    documents: [{ documentBase64: btoa('The lease. '.repeat(40)), name: 'Lease', fileExtension: 'txt', documentId: '1' }],
    customFields: { textCustomFields: [{ name: 'order', value: 'A-17', show: 'true', required: 'false' }] },
    recipients: docusign.Recipients.constructFromObject({
      signers: [
        signer('1', 'Ada Tenant', { textTabs: [{ documentId: '1', pageNumber: '1', xPosition: '100', yPosition: '150', tabLabel: 'city' }] }),
        signer('2', 'Ben Landlord'),
      ],
    }),
    ...more,
  }),
});

// What has been told at a path, every message verified; order is not promised.
const heard = async (path, count) => (await listener.waitFor(path, count)).map((message) => told(verified(message, keys))).sort();

// --- sent, with a listener of its own ---

const { data: summary, status } = await called(envelopes, 'createEnvelope', ACCOUNT, definition({
  status: 'sent',
  eventNotification: docusign.EventNotification.constructFromObject({
    url: listener.url('/envelope'), includeHMAC: 'true', loggingEnabled: 'true', requireAcknowledgment: 'true', deliveryMode: 'SIM',
    events: ['envelope-sent', 'recipient-completed', 'envelope-completed'], eventData: { version: 'restv2.1' },
  }),
}));
same([status, summary.status], [201, 'sent'], 'an envelope is sent');
const lease = summary.envelopeId;
same(await heard('/account', 2), ['envelope-sent', 'recipient-sent 1'], 'what sending tells');
same(await heard('/envelope', 1), ['envelope-sent'], "what it tells the envelope's own listener");
check(!('envelopeSummary' in listener.messages('/envelope')[0].json().data), 'nothing is included unless it was asked for');
done('sent');

// --- played to the end ---

const all = ['envelope-sent', 'recipient-sent 1'];
for (const [recipient, action, more, tells] of [
  ['1', 'deliver', {}, ['recipient-delivered 1']],
  ['1', 'complete', { tabs: { city: 'Utrecht' } }, ['recipient-completed 1', 'recipient-sent 2']],
  ['2', 'deliver', {}, ['recipient-delivered 2', 'envelope-delivered']],
  ['2', 'complete', {}, ['recipient-completed 2', 'envelope-completed']],
]) {
  await play(lease, recipient, action, more);
  all.push(...tells);
  same(await heard('/account', all.length), [...all].sort(), `what ${action} by ${recipient} tells`);
}
same(await heard('/envelope', 4), ['envelope-completed', 'envelope-sent', 'recipient-completed 1', 'recipient-completed 2'],
  "what the envelope's own listener was told");
const { envelopeSummary } = listener.messages('/account').find((message) => told(message) === 'envelope-completed').json().data;
same([envelopeSummary.status, envelopeSummary.recipients.signers[0].tabs.textTabs[0].value], ['completed', 'Utrecht'], 'the summary');
check(envelopeSummary.envelopeDocuments[0].PDFBytes, 'the document in the message');
done('played to the end, every message verified');

// --- read ---

same((await envelopes.getEnvelope(ACCOUNT, lease)).status, 'completed', "the envelope's status");
const recipients = await envelopes.listRecipients(ACCOUNT, lease, { includeTabs: 'true' });
same(recipients.signers.map((one) => [one.recipientId, one.status]), [['1', 'completed'], ['2', 'completed']], 'the signers');
const documents = await envelopes.listDocuments(ACCOUNT, lease);
same(documents.envelopeDocuments.map((document) => document.documentId), ['1', 'certificate'], 'the documents');
const combined = await envelopes.getDocument(ACCOUNT, lease, 'combined');
same(Buffer.from(combined, 'binary').subarray(0, 5).toString(), '%PDF-', 'the combined document is a PDF');
const form = await envelopes.getFormData(ACCOUNT, lease);
check(form.formData.some((field) => field.name === 'city' && field.value === 'Utrecht'), 'the form data', form);
done('read back');

// --- a draft, sent later, and declined ---

const { envelopeId: draft } = await envelopes.createEnvelope(ACCOUNT, definition({ status: 'created' }));
await envelopes.update(ACCOUNT, draft, { envelope: { status: 'sent' } });
await play(draft, '1', 'decline', { reason: 'Too dear' });
same((await envelopes.getEnvelope(ACCOUNT, draft)).status, 'declined', 'a declined envelope');
all.push('envelope-created', 'envelope-sent', 'recipient-sent 1', 'recipient-declined 1', 'envelope-declined');
same(await heard('/account', all.length), [...all].sort(), 'what a decline tells');
done('a draft was sent and declined');

// --- void ---

const { envelopeId: withdrawn } = await envelopes.createEnvelope(ACCOUNT, definition({ status: 'sent' }));
const reasonless = await refused(400, 'INVALID_REQUEST_PARAMETER', envelopes.update(ACCOUNT, withdrawn, { envelope: { status: 'voided' } }));
check(reasonless.includes('voidedReason'), 'voiding needs a reason', reasonless);
await envelopes.update(ACCOUNT, withdrawn, { envelope: { status: 'voided', voidedReason: 'Sold to another' } });
const voided = await envelopes.getEnvelope(ACCOUNT, withdrawn);
same([voided.status, voided.voidedReason], ['voided', 'Sold to another'], 'a voided envelope');
all.push('envelope-sent', 'recipient-sent 1', 'envelope-voided');
same(await heard('/account', all.length), [...all].sort(), 'what voiding tells');
await refused(400, 'ENVELOPE_CANNOT_VOID_INVALID_STATE', envelopes.update(ACCOUNT, lease, { envelope: { status: 'voided', voidedReason: 'late' } }));
await refused(404, 'ENVELOPE_DOES_NOT_EXIST', envelopes.getEnvelope(ACCOUNT, NOWHERE));
done('withdrawn');

// --- polling ---

const ids = (polled) => polled.envelopes.map((one) => one.envelopeId).sort();
for (const fromDate of [began, began.toISOString(), began.toISOString().slice(0, 10)]) {
  const polled = await envelopes.listStatusChanges(ACCOUNT, { fromDate });
  same(ids(polled), [lease, draft, withdrawn].sort(), `what has changed since ${fromDate}`);
  same([polled.resultSetSize, polled.nextUri], ['3', ''], 'the counts of a page');
}
same(ids(await envelopes.listStatusChanges(ACCOUNT, { fromDate: began, status: 'completed,voided' })), [lease, withdrawn].sort(), 'by status');
same(ids(await envelopes.listStatusChanges(ACCOUNT, { envelopeIds: `${lease},${draft}` })), [lease, draft].sort(), 'by id');
check((await refused(400, 'INVALID_REQUEST_PARAMETER', envelopes.listStatusChanges(ACCOUNT))).includes('from_date'), 'polling needs a date or ids');
done('polled');

allWell();
