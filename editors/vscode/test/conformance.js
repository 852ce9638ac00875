// Runs the conformance steps named by AC_CRED_STEPS with this extension's own socket, and says what
// came of each; then what the extension asks for itself.

const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const { readFileSync, chmodSync } = require("node:fs");
const { dirname } = require("node:path");

const { Daemon } = require("../out/daemon.js");
const { Conversation } = require("../out/socket.js");
const { Watch } = require("../out/watch.js");

const program = process.env.AC_CRED_PROGRAM;
const printedBy = (...words) => execFileSync(program, words, { encoding: "utf8" }).trim();

const forms = {
  "<token>": (value) => /^[A-Za-z0-9._~+/=-]+$/.test(value),
  "<time>": (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value),
  "<text>": (value) => typeof value === "string",
  "<number>": (value) => Number.isInteger(value),
  "<any>": () => true,
};

function fits(expected, value) {
  if (typeof expected === "string" && forms[expected]) return forms[expected](value);
  if (expected === null || typeof expected !== "object") return expected === value;
  const names = Object.keys(expected).sort();
  assert.deepEqual(Object.keys(value).sort(), names);
  return names.every((name) => fits(expected[name], value[name]));
}

async function run(step) {
  const heard = [];
  await new Promise((done, fail) => {
    let conversation;
    const hear = (response) => {
      heard.push(response);
      if (heard.length === step.expect.length && !step.closed) done();
    };
    Conversation.begin(step.send, hear, (why) => (step.closed ? done() : fail(why))).then(
      (begun) => (conversation = begun),
      fail,
    );
    setTimeout(() => fail(new Error("nothing came for 20 seconds")), 20_000).unref();
  });
  assert.equal(heard.length, step.expect.length);
  step.expect.forEach((expected, at) => assert.ok(fits(expected, heard[at]), JSON.stringify(heard[at])));
}

const daemon = new Daemon(() => program);

const own = {
  "a token is the one that ac-cred get prints": async () => {
    assert.equal((await daemon.lease("acme")).access_token, printedBy("get", "acme"));
    assert.equal((await daemon.lease(undefined)).access_token, printedBy("get"));
  },
  "a refusal comes with the command to type and its code": async () => {
    const refusal = await daemon.lease("nobody").catch((why) => why);
    assert.match(refusal.message, /run: ac-cred login nobody$/);
    assert.equal(refusal.code, "unknown_organization");
  },
  "a watch hears what changes, and is taken up again when the daemon comes back": async () => {
    const heard = [];
    let wake = () => {};
    const watch = new Watch(
      (event) => {
        heard.push(event.event);
        wake();
      },
      () => {
        heard.push("lost");
        wake();
      },
    );
    const until = async (word) => {
      while (!heard.includes(word)) await new Promise((done) => (wake = done));
      heard.length = 0;
    };
    await until("watching");
    await daemon.lease("acme", true);
    await until("renewed");
    printedBy("lock", "--yes");
    await until("locked");
    printedBy("unlock");
    await until("unlocked");
    printedBy("daemon", "stop");
    await until("lost");
    const refusal = await daemon.lease("acme").catch((why) => why);
    assert.equal(refusal.code, "login_required", "the daemon was started");
    await until("watching");
    watch.dispose();
  },
  "a directory that others can enter is refused": async () => {
    const directory = dirname(process.env.AC_CRED_SOCKET);
    chmodSync(directory, 0o755);
    const refusal = await daemon.lease("acme").catch((why) => why);
    chmodSync(directory, 0o700);
    assert.equal(refusal.code, "unsafe_files");
  },
};

async function main() {
  const { steps } = JSON.parse(readFileSync(process.env.AC_CRED_STEPS, "utf8"));
  const tests = [...steps.map((step) => [step.name, () => run(step)]), ...Object.entries(own)];
  let failed = 0;
  for (const [name, test] of tests) {
    const why = await test().then(
      () => undefined,
      (why) => why,
    );
    console.log(`${name}: ${why ? `FAILED: ${why.stack}` : "ok"}`);
    failed += why ? 1 : 0;
  }
  console.log(`${tests.length - failed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

void main();
