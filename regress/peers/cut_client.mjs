// SPDX-License-Identifier: ISC
// A stream cut by a revocation: the official JavaScript SDKs throw, and never
// hand over a short answer as if it were whole.  An uncut stream ends normally.
import OpenAI from "openai";
import Anthropic from "@anthropic-ai/sdk";

const base = process.env.ANTHROPIC_BASE_URL;
const keys = `${base}/agents/default/developer-keys`;
const LONG = "mode-drip-600-20", SHORT = "mode-drip-40-5";
let said = "";	// what a Responses stream said of its failure
const messages = [{ role: "user", content: "x" }];
async function ask(method, url, body) {
	const r = await fetch(url, { method, body: body && JSON.stringify(body),
		headers: { Authorization: `Bearer ${process.env.CUT_ADMIN}`, "Content-Type": "application/json" } });
	if (!r.ok)
		throw new Error(`${method} ${url}: ${r.status}`);
	return r.json();
}

async function* chat(apiKey, model) {
	const c = new OpenAI({ apiKey, maxRetries: 2 });
	for await (const x of await c.chat.completions.create({ model, messages, stream: true }))
		yield x.choices[0]?.delta?.content ?? "";
}
async function* responses(apiKey, model) {
	const c = new OpenAI({ apiKey, maxRetries: 2 });
	for await (const e of await c.responses.create({ model, input: "x", stream: true })) {
		if (e.type === "response.failed")
			said += e.response.error.message;
		yield e.type === "response.output_text.delta" ? e.delta : "";
	}
}
async function* raw(apiKey, model) {
	const c = new Anthropic({ apiKey, maxRetries: 2 });
	for await (const e of await c.messages.create({ model: `anthropic/${model}`, max_tokens: 64, messages, stream: true }))
		yield e.type === "content_block_delta" ? e.delta.text : "";
}
async function* helper(apiKey, model) {
	const c = new Anthropic({ apiKey, maxRetries: 2 });
	const s = c.messages.stream({ model: `anthropic/${model}`, max_tokens: 64, messages });
	for await (const e of s)
		yield e.type === "content_block_delta" ? e.delta.text : "";
	await s.finalMessage();
}

async function run(name, kind, fn) {
	const made = await ask("POST", keys, { developer_email: "cut@example.com", expires_days: 1 });
	let got = 0, cut = false;
	try {
		for await (const t of fn(made.api_key, SHORT))
			got += t.length;
		console.log(`${got === 160 ? "PASS" : "FAIL"} ${name}: an uncut stream ends normally`);
	} catch (e) {
		console.log(`FAIL ${name}: uncut: ${e.constructor.name}: ${String(e.message).slice(0, 200)}`);
	}
	got = 0;
	said = "";
	let revoked;
	try {
		for await (const t of fn(made.api_key, LONG)) {
			got += t.length;
			if (got >= 40 && !cut) {
				cut = true;
				revoked = ask("DELETE", `${keys}/${made.key_id}`);
			}
		}
		console.log(`FAIL ${name}: a cut stream passed for an answer of ${got}`);
	} catch (e) {
		await revoked;
		// fetch() forgets what it has not yet handed over when a body breaks off
		const why = (e instanceof kind && (String(e.message) + said).includes("revoked")) ||
		    (e instanceof TypeError && e.message === "terminated");
		const good = why && cut && got >= 40 && got < 2400;
		console.log(`${good ? "PASS" : "FAIL"} ${name}: a stream cut by a revocation throws ${e.constructor.name}`);
		console.log(`${got} of 2400: ${String(e.message).slice(0, 160).replace(/\n/g, " ")}`);
	}
}

await run("chat.completions", OpenAI.APIError, chat);
await run("responses", OpenAI.APIError, responses);
await run("messages.create", Anthropic.APIError, raw);
await run("messages.stream", Anthropic.AnthropicError, helper);
process.exit(0);
