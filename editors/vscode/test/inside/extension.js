// Another extension beside ours: it runs the functions that a test sends to the socket
// AC_CRED_INSIDE, one as JSON in a line, and answers what came of each.

const { unlinkSync } = require("node:fs");
const { createServer } = require("node:net");
const { createInterface } = require("node:readline");
const vscode = require("vscode");

function answer(socket, line) {
  const { id, body, words } = JSON.parse(line);
  const run = async () => new Function(`return (${body})`)()(vscode, ...words);
  const say = (said) => socket.write(`${JSON.stringify({ id, ...said })}\n`);
  run().then(
    (result) => say({ result: result ?? null }),
    (why) => say({ why: String(why?.stack ?? why) }),
  );
}

exports.activate = (context) => {
  const path = process.env.AC_CRED_INSIDE;
  // A window that is loaded again finds the socket of the one before.
  try {
    unlinkSync(path);
  } catch {}
  const server = createServer((socket) => {
    createInterface({ input: socket }).on("line", (line) => answer(socket, line));
  }).listen(path);
  context.subscriptions.push({ dispose: () => server.close() });
};
