// SPDX-License-Identifier: ISC
// @aws-sdk/client-kms against our fake: what it refuses is the fake's fault.
// The environment holds endpoint, region and one kind of credential.
//	node kms_aws.mjs NAME [all]
import { KMSClient, GenerateDataKeyCommand, EncryptCommand, DecryptCommand } from '@aws-sdk/client-kms';

const ARN = 'arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555';
const OTHER = ARN.slice(0, -1) + '6';
const context = { app: 'tappass', purpose: 'vault-dek', env: 'x' };
const name = process.argv[2];
const client = new KMSClient({ maxAttempts: 3 });
const same = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0;

async function check(what, fn) {
	try {
		const r = await fn();
		console.log(r === true ? `PASS ${name}: ${what}` : `FAIL ${name}: ${what}: ${JSON.stringify(r)}`);
	} catch (e) {
		console.log(`FAIL ${name}: ${what}: ${e.name} ${e.message}`);
	}
}
async function refused(what, error, fn) {
	try {
		await fn();
		console.log(`FAIL ${name}: ${what}: no error`);
	} catch (e) {
		console.log(e.name === error ? `PASS ${name}: ${what}: ${error}` : `FAIL ${name}: ${what}: ${e.name} ${e.message}`);
	}
}
const decrypt = (CiphertextBlob, KeyId = ARN, EncryptionContext = context) =>
	client.send(new DecryptCommand({ CiphertextBlob, KeyId, EncryptionContext }));

let made;
const error = process.argv[3] === 'all' ? undefined : process.argv[3];
if (error === undefined)
	await check('GenerateDataKey, then Decrypt', async () => {
	made = await client.send(new GenerateDataKeyCommand({ KeyId: ARN, KeySpec: 'AES_256', EncryptionContext: context }));
	const back = await decrypt(made.CiphertextBlob);
	return made.Plaintext.length === 32 && made.KeyId === ARN && back.KeyId === ARN && same(made.Plaintext, back.Plaintext);
});
if (process.argv[3] === 'all') {
	const key = Buffer.alloc(32, 7);
	await check('Encrypt by alias, Decrypt by ARN', async () => {
		const c = await client.send(new EncryptCommand({ KeyId: 'alias/vault', Plaintext: key, EncryptionContext: context }));
		return c.KeyId === ARN && same((await decrypt(c.CiphertextBlob)).Plaintext, key);
	});
	const cut = made.CiphertextBlob.slice(0, -8);
	await refused('another context', 'InvalidCiphertextException', () => decrypt(made.CiphertextBlob, ARN, { app: 'tappass' }));
	await refused('context split otherwise', 'InvalidCiphertextException', async () => {
		const c = await client.send(new EncryptCommand({ KeyId: ARN, Plaintext: key, EncryptionContext: { a: 'bc' } }));
		return decrypt(c.CiphertextBlob, ARN, { ab: 'c' });
	});
	await refused('another key', 'IncorrectKeyException', () => decrypt(made.CiphertextBlob, OTHER));
	await refused('a cut ciphertext', 'InvalidCiphertextException', () => decrypt(cut));
	await refused('a key that is not there', 'NotFoundException', () => decrypt(made.CiphertextBlob, ARN.replace('1111-2222', '9999-2222')));
}
if (error !== undefined)
	await refused('refused', error, () => decrypt(Buffer.alloc(64)));
