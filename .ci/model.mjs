// Stands in for a model, at a free port of 127.0.0.1. It speaks the APIs of Gemini, of Claude (Messages)
// and of OpenAI (Responses): it calls the tool `hello`, if a client offers it, three times, one after the
// other, and then says what was answered. Its arguments are a command that runs between two calls.
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";

const calls = 3;
const [program, ...words] = process.argv.slice(2);

// What comes next, by what is offered and what was answered so far.
function next(tools, answers) {
  // Each client puts the name of the server before it in its own way.
  const tool = tools.find(({ name }) => /(^|[^a-z])hello$/.test(name));
  if (tool === undefined) return { text: "no tool hello is offered" };
  if (answers.length === calls) return { text: answers.map((answer) => JSON.stringify(answer)).join("\n") };
  if (answers.length > 0 && program !== undefined) execFileSync(program, words, { stdio: "ignore" });
  return { tool, id: `call_${answers.length}` };
}

function gemini({ tools = [], contents = [] }) {
  const offered = tools.flatMap((tool) => tool.functionDeclarations ?? []);
  const answers = contents.flatMap(({ parts = [] }) => parts.flatMap((part) => part.functionResponse?.response ?? []));
  const { tool, text } = next(offered, answers);
  const part = tool ? { functionCall: { name: tool.name, args: {} } } : { text };
  return { candidates: [{ index: 0, content: { role: "model", parts: [part] }, finishReason: "STOP" }] };
}

function claude({ tools = [], messages = [] }) {
  const blocks = messages.flatMap(({ content }) => (Array.isArray(content) ? content : []));
  const answers = blocks.filter(({ type }) => type === "tool_result").map(({ content }) => content);
  const { tool, id, text } = next(tools, answers);
  const block = tool ? { type: "tool_use", id, name: tool.name, input: {} } : { type: "text", text };
  const stop = { stop_reason: tool ? "tool_use" : "end_turn", stop_sequence: null };
  const usage = { input_tokens: 1, output_tokens: 1 };
  return { id: "message", type: "message", role: "assistant", model: "stand-in", content: [block], ...stop, usage };
}

function claudeEvents(message) {
  const [block] = message.content;
  const isText = block.type === "text";
  const delta = isText ? { type: "text_delta", text: block.text } : { type: "input_json_delta", partial_json: "{}" };
  const { stop_reason, stop_sequence, usage } = message;
  return [
    { type: "message_start", message: { ...message, content: [], stop_reason: null } },
    { type: "content_block_start", index: 0, content_block: isText ? { ...block, text: "" } : block },
    { type: "content_block_delta", index: 0, delta },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason, stop_sequence }, usage },
    { type: "message_stop" },
  ];
}

function openai({ tools = [], input = [] }) {
  const inside = ({ type, name, tools }) =>
    type === "namespace" ? tools.map((tool) => ({ ...tool, namespace: name })) : [];
  const answers = input.filter(({ type }) => type === "function_call_output").map(({ output }) => output);
  const { tool, id, text } = next([...tools, ...tools.flatMap(inside)], answers);
  const item = tool
    ? { type: "function_call", id, call_id: id, name: tool.name, namespace: tool.namespace, arguments: "{}" }
    : { type: "message", id: "last", role: "assistant", content: [{ type: "output_text", text, annotations: [] }] };
  const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
  return { id: "response", object: "response", status: "completed", model: "stand-in", output: [item], usage };
}

function openaiEvents(response) {
  const [item] = response.output;
  return [
    { type: "response.created", response: { ...response, status: "in_progress", output: [] } },
    { type: "response.output_item.added", output_index: 0, item },
    { type: "response.output_item.done", output_index: 0, item },
    { type: "response.completed", response },
  ];
}

const apis = [
  { path: /:(streamG|g)enerateContent$/, answer: gemini, events: (answer) => [answer] },
  { path: /\/messages$/, answer: claude, events: claudeEvents },
  { path: /\/responses$/, answer: openai, events: openaiEvents },
];

function asText(event) {
  const name = event.type === undefined ? "" : `event: ${event.type}\n`;
  return `${name}data: ${JSON.stringify(event)}\n\n`;
}

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  const api = request.method === "POST" && apis.find(({ path }) => path.test(pathname));
  const body = Buffer.concat(await request.toArray());
  if (!api) return response.writeHead(404).end();
  const asked = JSON.parse(body);
  const answer = api.answer(asked);
  const streams = asked.stream === true || pathname.endsWith(":streamGenerateContent");
  response.setHeader("content-type", streams ? "text/event-stream" : "application/json");
  response.end(streams ? api.events(answer).map(asText).join("") : JSON.stringify(answer));
});
server.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
