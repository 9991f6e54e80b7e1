// SPDX-License-Identifier: ISC
// @azure/identity, @azure/keyvault-secrets and @azure/keyvault-keys against our
// fake, over TLS.	node kms_azure.mjs TLSPORT WHAT
//	WHAT: secret, federated, imds, appservice, wrong
import { ClientSecretCredential, WorkloadIdentityCredential, ManagedIdentityCredential } from '@azure/identity';
import { SecretClient } from '@azure/keyvault-secrets';
import { KeyClient, CryptographyClient } from '@azure/keyvault-keys';

const [port, what] = [process.argv[2], process.argv[3]];
const vault = `https://127.0.0.1:${port}`;
const entra = { authorityHost: vault, disableInstanceDiscovery: true, retryOptions: { maxRetries: 1 } };
const open = { disableChallengeResourceVerification: true, retryOptions: { maxRetries: 1 } };

async function check(text, fn) {
	try {
		const r = await fn();
		console.log(r === true ? `PASS ${what}: ${text}` : `FAIL ${what}: ${text}: ${JSON.stringify(r)}`);
	} catch (e) {
		console.log(`FAIL ${what}: ${text}: ${e.name} ${e.message}`);
	}
}
async function refused(text, status, code, fn) {
	try {
		await fn();
		console.log(`FAIL ${what}: ${text}: no error`);
	} catch (e) {
		console.log(e.statusCode === status && e.code === code ? `PASS ${what}: ${text}: ${status} ${code}` :
		    `FAIL ${what}: ${text}: ${e.statusCode} ${e.code} ${e.message}`);
	}
}
const credential = {
	secret: () => new ClientSecretCredential('tenant-1', 'client-1', 'az-secret', entra),
	wrong: () => new ClientSecretCredential('tenant-1', 'client-1', 'not-the-secret', entra),
	federated: () => new WorkloadIdentityCredential({ tenantId: 'tenant-1', clientId: 'client-1', tokenFilePath: process.env.TOKEN_FILE, ...entra }),
	imds: () => new ManagedIdentityCredential({ retryOptions: { maxRetries: 1 } }),
	appservice: () => new ManagedIdentityCredential({ retryOptions: { maxRetries: 1 } }),
}[what]();
const secrets = new SecretClient(vault, credential, open);
if (what === 'wrong') {
	try {
		await secrets.getSecret('vault-encryption-key');
		console.log('FAIL wrong: a wrong client secret: no error');
	} catch (e) {
		console.log(/invalid_client/.test(e.message) ? 'PASS wrong: a wrong client secret: invalid_client' : `FAIL wrong: ${e.name} ${e.message}`);
	}
	process.exit(0);
}
let newest;
await check('a secret, its newest version', async () => {
	newest = await secrets.getSecret('vault-encryption-key');
	return Buffer.from(newest.value, 'base64').length === 32 && newest.properties.version === 'bb' && newest.properties.enabled;
});
await check('a version by name', async () => {
	const s = await secrets.getSecret('vault-encryption-key', { version: 'dd' });
	return s.properties.version === 'dd' && s.value !== newest.value;
});
await check('the list of versions', async () => {
	const seen = [];
	for await (const p of secrets.listPropertiesOfSecretVersions('vault-encryption-key'))
		seen.push(`${p.version}:${p.enabled}:${p.createdOn.getTime() / 1000}`);
	return seen.join() === 'aa:true:100,bb:true:300,cc:false:200,dd:true:150' || seen;
});
await refused('a version that is not there', 404, 'SecretNotFound', () => secrets.getSecret('vault-encryption-key', { version: 'ee' }));
await check('a key', async () => {
	const k = await new KeyClient(vault, credential, open).getKey('kek');
	return k.keyType === 'RSA' && k.properties.version === 'abc123' && k.id === `${vault}/keys/kek/abc123`;
});
const dek = Buffer.alloc(32, 5);
for (const [name, how] of [['kek', 'with the public key here'], ['no-get', 'all of it there']]) {
	const c = new CryptographyClient(`${vault}/keys/${name}/abc123`, credential, open);
	await check(`wrap and unwrap, ${how}`, async () => {
		const w = await c.wrapKey('RSA-OAEP-256', dek);
		const u = await c.unwrapKey('RSA-OAEP-256', w.result);
		return w.result.length === 256 && Buffer.compare(u.result, dek) === 0 && u.keyID === `${vault}/keys/${name}/abc123`;
	});
	await refused(`garbage, ${how}`, 400, 'BadParameter', () => c.unwrapKey('RSA-OAEP-256', Buffer.alloc(256, 1)));
	await refused(`another version of the key, ${how}`, 400, 'BadParameter', async () => {
		const w = await c.wrapKey('RSA-OAEP-256', dek);
		return new CryptographyClient(`${vault}/keys/${name}/abc999`, credential, open).unwrapKey('RSA-OAEP-256', w.result);
	});
}
