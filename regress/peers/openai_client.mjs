// SPDX-License-Identifier: ISC
// The official JavaScript SDK of OpenAI, as its users call it.
import OpenAI from "openai";

const c = new OpenAI({ maxRetries: 2 });
const model = "gpt-4o-mini";
const messages = (content) => [{ role: "user", content }];
async function check(name, fn) {
	try {
		const r = await fn();
		console.log(r ? `PASS ${name}` : `FAIL ${name}: wrong result`);
	} catch (e) {
		console.log(`FAIL ${name}: ${e.constructor.name}: ${String(e.message).slice(0, 200).replace(/\n/g, " ")}`);
	}
}
async function raises(kind, fn, text) {
	try { await fn(); } catch (e) {
		return (!kind || e instanceof kind) && (!text || e.message.includes(text));
	}
	return false;
}
const say = (content, more = {}) => c.chat.completions.create({ model, messages: messages(content), ...more });

await check("chat", async () => (await say("hello there")).choices[0].message.content.includes("hello"));
await check("stream", async () => {
	let text = "";
	for await (const x of await say("stream me", { stream: true }))
		text += x.choices[0].delta.content ?? "";
	return text.includes("stream");
});
await check("stream with include_usage", async () => {
	let last;
	for await (const x of await say("count", { stream: true, stream_options: { include_usage: true } })) last = x;
	return last.usage && last.choices.length === 0;
});
await check("tool call", async () => (await say("use tool", { tools: [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }] })).choices[0].message.tool_calls[0].function.name === "weather");
await check("embeddings (base64 on the wire)", async () => (await c.embeddings.create({ model: "text-embedding-3-small", input: "a" })).data[0].embedding.length > 1);
await check("responses", async () => (await c.responses.create({ model, input: "hi you" })).output_text.includes("hi"));
await check("models.list", async () => (await c.models.list()).data.some((m) => m.id === model));
await check("bad key", () => raises(OpenAI.AuthenticationError, () => new OpenAI({ apiKey: "tp_dev_nope" }).models.list()));
await check("unknown model", () => raises(OpenAI.NotFoundError, () => say("x", { model: "nosuch" })));
await check("cut stream raises", () => raises(null, async () => {
	for await (const x of await say("x", { model: "mode-cut", stream: true })) void x;
}));
process.exit(0);
