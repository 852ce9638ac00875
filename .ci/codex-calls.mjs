// Calls the tool `hello` three times in one session of Codex's app server, which needs no model,
// and prints each answer. Its arguments are those of Codex.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const codex = spawn("codex", ["app-server", ...process.argv.slice(2)], {
  stdio: ["pipe", "pipe", "ignore"],
});
const waiting = new Map();
createInterface({ input: codex.stdout }).on("line", (line) => {
  const message = JSON.parse(line);
  if (message.method === undefined) waiting.get(message.id)?.(message);
});
let last = 0;
const send = (message) => codex.stdin.write(`${JSON.stringify(message)}\n`);
const ask = (method, params) => {
  const id = ++last;
  send({ id, method, params });
  return new Promise((answer) => waiting.set(id, answer));
};

const clientInfo = { name: "ci", title: "ci", version: "1" };
await ask("initialize", { clientInfo, capabilities: { experimentalApi: true } });
send({ method: "initialized" });
const started = await ask("thread/start", {});
const threadId = started.result.thread.id;
for (let call = 0; call < 3; call++) {
  const tool = { threadId, server: "appcircle", tool: "hello", arguments: {} };
  console.log(JSON.stringify(await ask("mcpServer/tool/call", tool)));
}
codex.stdin.end();
codex.kill();
