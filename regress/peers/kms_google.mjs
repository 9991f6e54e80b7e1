// SPDX-License-Identifier: ISC
// @google-cloud/kms and google-auth-library against our fake.
//	node kms_google.mjs PORT WHAT	WHAT: grant, selfsigned, metadata, external
import { createRequire } from 'node:module';
import { KeyManagementServiceClient } from '@google-cloud/kms';

const require = createRequire(import.meta.url);
const inKms = createRequire(require.resolve('@google-cloud/kms'));
const { GoogleAuth } = createRequire(inKms.resolve('google-gax'))('google-auth-library');
const { crc32c } = require('@aws-crypto/crc32c');
const [port, what] = [Number(process.argv[2]), process.argv[3]];
const name = 'projects/p/locations/l/keyRings/r/cryptoKeys/k';
const aad = Buffer.from('context of the key');
const key = Buffer.alloc(32, 9);
const scopes = ['https://www.googleapis.com/auth/cloudkms'];
const at = { fallback: 'rest', protocol: 'http', apiEndpoint: '127.0.0.1', port };

async function check(text, fn) {
	try {
		const r = await fn();
		console.log(r === true ? `PASS ${what}: ${text}` : `FAIL ${what}: ${text}: ${JSON.stringify(r)}`);
	} catch (e) {
		console.log(`FAIL ${what}: ${text}: ${e.name} ${e.message}`);
	}
}
// The library hands over what the service said, as it was said.
const invalid = e => String(e.code) === '400' && JSON.parse(e.message).error.status === 'INVALID_ARGUMENT';
async function refused(text, fn) {
	try {
		await fn();
		console.log(`FAIL ${what}: ${text}: no error`);
	} catch (e) {
		console.log(invalid(e) ? `PASS ${what}: ${text}: INVALID_ARGUMENT` : `FAIL ${what}: ${text}: ${e.code} ${e.message}`);
	}
}
// The library has the address of Google's token service built in; the
// interceptor changes that address and nothing else.
const here = async c => {
	if (String(c.url).startsWith('https://oauth2.googleapis.com/'))
		c.url = new URL(`http://127.0.0.1:${port}/gtoken`);
	return c;
};
const auth = new GoogleAuth({ scopes });
if (what !== 'selfsigned') {
	const client = await auth.getClient();
	client.transporter.interceptors.request.add({ resolved: here });
	await check('a token', async () => (await client.getAccessToken()).token === 'g-token');
	at.auth = auth;
}
const kms = new KeyManagementServiceClient(at);
const sum = b => ({ value: String(crc32c(b)) });
const encrypt = (plaintext, more) => kms.encrypt({ name, plaintext, plaintextCrc32c: sum(plaintext),
	additionalAuthenticatedData: aad, additionalAuthenticatedDataCrc32c: sum(aad), ...more });
const decrypt = (ciphertext, more) => kms.decrypt({ name, ciphertext, ciphertextCrc32c: sum(ciphertext),
	additionalAuthenticatedData: aad, additionalAuthenticatedDataCrc32c: sum(aad), ...more });
let c;
await check('encrypt, with checksums both ways', async () => {
	[c] = await encrypt(key);
	return c.name.startsWith(name + '/cryptoKeyVersions/') && c.verifiedPlaintextCrc32c &&
	    c.verifiedAdditionalAuthenticatedDataCrc32c && Number(c.ciphertextCrc32c.value) === crc32c(c.ciphertext) &&
	    c.protectionLevel === 'SOFTWARE';
});
await check('decrypt', async () => {
	const [d] = await decrypt(c.ciphertext);
	return Buffer.compare(d.plaintext, key) === 0 && d.usedPrimary && Number(d.plaintextCrc32c.value) === crc32c(d.plaintext);
});
const other = Buffer.from('another context');
await refused('another context', () => decrypt(c.ciphertext, { additionalAuthenticatedData: other, additionalAuthenticatedDataCrc32c: sum(other) }));
await refused('a wrong checksum of it', () => decrypt(c.ciphertext, { additionalAuthenticatedDataCrc32c: sum(other) }));
await refused('a wrong checksum of the ciphertext', () => decrypt(c.ciphertext, { ciphertextCrc32c: sum(other) }));
await refused('another key', () => decrypt(c.ciphertext, { name: name + '2' }));
await refused('a cut ciphertext', () => { const b = c.ciphertext.slice(0, -8); return decrypt(b, { ciphertextCrc32c: sum(b) }); });
await refused('a wrong checksum of the plaintext', () => encrypt(key, { plaintextCrc32c: sum(other) }));
