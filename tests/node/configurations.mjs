// Connect configurations and keys through the SDK: made, listed, read, changed, deleted; and what they do to a message.

import {
  ACCOUNT, Listener, NOWHERE, allWell, api, called, check, connect, docusign, done, refused, same, sdkClient, verified,
} from './support.mjs';

const connects = new docusign.ConnectApi(sdkClient());
const listener = await Listener.start();

// --- keys: the SDK drops the bodies of these answers, so that they are read past it ---

same(await connect('GET', '/secret'), [200, []], 'there are no keys');
const keys = [];
for (let number = 0; number < 2; number += 1) {
  const answer = await called(connects, 'createConnectSecret', ACCOUNT);
  same([answer.status, answer.data], [201, null], 'a key is made');
  keys.push(answer.body);
}
const texts = keys.map((key) => key.secret);
check(new Set(texts).size === 2, 'keys differ');
const { body: shown } = await called(connects, 'getConnectSecret', ACCOUNT);
same(shown.map((key) => key.keyId), keys.map((key) => key.keyId), 'keys in the order in which they were made');
check(shown.every((key) => !texts.includes(key.secret)), 'listed keys are cut', shown);
done('keys are made and shown once');

// --- made ---

const connectCustomConfiguration = docusign.ConnectCustomConfiguration.constructFromObject({
  configurationType: 'custom',
  name: 'Orders',
  urlToPublishTo: listener.url('/orders'),
  allowEnvelopePublish: 'true',
  enableLog: 'true',
  allUsers: 'true',
  deliveryMode: 'SIM',
  requiresAcknowledgement: 'true',
  includeHMAC: 'true',
  userName: 'countersign',
  password: 'a password',
  events: ['envelope-sent', 'envelope-completed'],
  eventData: docusign.ConnectEventData.constructFromObject({ version: 'restv2.1', includeData: ['recipients'] }),
});
const { data: made, status } = await called(connects, 'createConfiguration', ACCOUNT, { connectCustomConfiguration });
same(status, 201, 'a configuration is made');
check(/^\d{8}$/.test(made.connectId) && Number(made.connectId) >= 10_000_001, 'its id is a number of eight digits', made.connectId);
same([made.name, made.urlToPublishTo], ['Orders', listener.url('/orders')], 'its name and URL');
for (const name of ['allowEnvelopePublish', 'enableLog', 'allUsers', 'includeHMAC', 'requiresAcknowledgement']) {
  same(made[name], 'true', `${name} is text`);
}
same([...made.events].sort(), ['envelope-completed', 'envelope-sent'], 'its events');
same(made.eventData.includeData, ['recipients'], 'what its messages include');
check(!JSON.stringify(made).includes('a password'), 'the password is not shown');
done('made');

await refused(400, 'INVALID_REQUEST_PARAMETER', connects.createConfiguration(ACCOUNT, {
  connectCustomConfiguration: { configurationType: 'custom', name: 'no URL', allUsers: 'true' },
}));
done('what cannot be is refused');

// --- listed and read ---

const second = await connects.createConfiguration(ACCOUNT, {
  // Real booleans, as some clients send them.
  connectCustomConfiguration: {
    configurationType: 'custom', name: 'Audit', urlToPublishTo: listener.url('/audit'), allowEnvelopePublish: true, allUsers: true,
    deliveryMode: 'SIM', events: ['click-agreed'], eventData: { version: 'restv2.1' }, aPropertyOfTomorrow: 1,
  },
});
same([second.allowEnvelopePublish, second.allUsers], ['true', 'true'], 'real booleans are understood');
const listed = await connects.listConfigurations(ACCOUNT);
same(listed.totalRecords, '2', 'configurations');
same(listed.configurations.map((one) => one.connectId), [made.connectId, second.connectId], 'in the order in which they were made');
const wrapped = await connects.getConfiguration(ACCOUNT, made.connectId);
check(JSON.stringify(wrapped).includes('Orders'), 'the one that was asked for', wrapped);
await refused(404, 'CONNECT_CONFIGURATION_DOES_NOT_EXIST', connects.getConfiguration(ACCOUNT, '19999999'));
await refused(404, 'USER_DOES_NOT_BELONG_TO_SPECIFIED_ACCOUNT', connects.listConfigurations(NOWHERE));
await refused(401, 'AUTHORIZATION_INVALID_TOKEN', new docusign.ConnectApi(sdkClient('not-a-token')).listConfigurations(ACCOUNT));
same((await connects.listUsers(ACCOUNT, made.connectId)).resultSetSize, '1', 'users of the configuration');
done('listed and read');

// --- changed: the id stands in the body, and what is absent stays ---

const changed = await connects.updateConfiguration(ACCOUNT, {
  connectCustomConfiguration: {
    connectId: made.connectId, configurationType: 'custom', name: 'Orders, renamed', events: ['envelope-voided', 'click-agreed'],
  },
});
same([changed.connectId, changed.name], [made.connectId, 'Orders, renamed'], 'its name has changed');
same([...changed.events].sort(), ['click-agreed', 'envelope-voided'], 'its events have changed');
same([changed.urlToPublishTo, changed.enableLog, changed.userName], [listener.url('/orders'), 'true', 'countersign'], 'the rest has stayed');
done('changed');

// --- what all this does to a message ---

const agreed = (click) => api('POST', '/events', { event: 'click-agreed', data: { click, text: 'naïve ✓ </script> \u2028' } });

await agreed(1);
const [message] = await listener.waitFor('/orders', 1);
verified(message, texts);
same([message.json().event, message.json().configurationId], ['click-agreed', Number(made.connectId)], 'the message');
same(message.json().data, { click: 1, text: 'naïve ✓ </script> \u2028' }, "the data is the caller's");
same(message.headers.authorization, `Basic ${btoa('countersign:a password')}`, 'Basic credentials');
verified((await listener.waitFor('/audit', 1))[0], []);
done('a message is signed with every key, and only where that was asked for');

await connects.deleteConnectSecret(ACCOUNT, keys[0].keyId);
await agreed(2);
verified((await listener.waitFor('/orders', 2))[1], texts.slice(1));
done('a deleted key signs no more, and the others close the gap');

// --- deleted ---

await connects.deleteConfiguration(ACCOUNT, second.connectId);
await refused(404, 'CONNECT_CONFIGURATION_DOES_NOT_EXIST', connects.deleteConfiguration(ACCOUNT, second.connectId));
same((await connects.listConfigurations(ACCOUNT)).totalRecords, '1', 'configurations that are left');
await agreed(3);
verified((await listener.waitFor('/orders', 3))[2], texts.slice(1));
same(listener.messages('/audit').length, 2, 'messages to the deleted one');
done('a deleted configuration hears no more');

allWell();
