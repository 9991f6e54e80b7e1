// SPDX-License-Identifier: ISC
// The official JavaScript SDK of Anthropic, as its users call it.
import Anthropic from "@anthropic-ai/sdk";

const c = new Anthropic({ maxRetries: 2 });
const model = "claude-haiku-4-5";
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
const say = (content, more = {}) => c.messages.create({ model, max_tokens: 64, messages: [{ role: "user", content }], ...more });

await check("messages", async () => (await say("hello there")).content[0].text.includes("hello"));
await check("stream", async () => {
	const s = c.messages.stream({ model, max_tokens: 64, messages: [{ role: "user", content: "stream me" }] });
	return (await s.finalText()).includes("stream");
});
await check("tool use", async () => (await say("use tool", { tools: [{ name: "weather", input_schema: { type: "object" } }] })).stop_reason === "tool_use");
await check("count_tokens", async () => (await c.messages.countTokens({ model, messages: [{ role: "user", content: "x" }] })).input_tokens > 0);
await check("models.list", async () => (await c.models.list()).data.some((m) => m.id === model));
await check("bad key", () => raises(Anthropic.AuthenticationError, () => new Anthropic({ apiKey: "tp_dev_nope" }).models.list()));
await check("unknown model", () => raises(Anthropic.NotFoundError, () => say("x", { model: "nosuch" })));
await check("cut stream raises", () => raises(null, () => c.messages.stream({ model: "anthropic/mode-cut", max_tokens: 64, messages: [{ role: "user", content: "x" }] }).finalText()));
process.exit(0);
