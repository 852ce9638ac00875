// Drives the extension in a real VS Code (code-server) with a browser, as a person would.
//
// AC_CRED_CODE_SERVER is the folder where npm has installed code-server and playwright-core,
// AC_CRED_VSIX the packed extension, AC_CRED_PROGRAM the client; the daemon of AC_CRED_SOCKET knows
// `acme`, whose key is AC_CRED_KEY and whose MCP server writes the token for which it last listed its
// tools to AC_CRED_LISTED, and `beta`. AC_CRED_PICTURE, if set, is where a picture goes.

const assert = require("node:assert/strict");
const { execFileSync, spawn } = require("node:child_process");
const { cpSync, mkdirSync, readFileSync, writeFileSync } = require("node:fs");
const { connect, createServer } = require("node:net");
const { join } = require("node:path");
const { createInterface } = require("node:readline");

const installed = process.env.AC_CRED_CODE_SERVER;
const { chromium } = require(join(installed, "node_modules/playwright-core"));
const codeServer = join(installed, "node_modules/code-server/out/node/entry.js");
const node = join(installed, "bin/node");
const program = process.env.AC_CRED_PROGRAM;
const key = process.env.AC_CRED_KEY;
const printedBy = (...words) => execFileSync(program, words, { encoding: "utf8" }).trim();

const home = join(process.env.HOME, "vscode");
const folder = join(home, "project");
const listed = process.env.AC_CRED_LISTED;
const launched = join(home, "launched.txt");
const insideSocket = join(home, "inside.sock");
// Where `ac-cred setup vscode` writes when `home` is where programs keep their settings.
const data = join(home, "Code");
const places = ["--user-data-dir", data, "--extensions-dir", join(home, "extensions")];

function prepare() {
  mkdirSync(join(folder, ".vscode"), { recursive: true });
  mkdirSync(join(data, "User"), { recursive: true });
  const settings = {
    "acCred.organization": "acme",
    "security.workspace.trust.enabled": false,
    "workbench.startupEditor": "none",
    "workbench.colorTheme": "Default Light Modern",
    "telemetry.telemetryLevel": "off",
    // It reads the files of other programs where that is wanted, and all of them name the same server.
    "chat.mcp.discovery.enabled": { "cursor-global": true, windsurf: true, copilot: true },
    "chat.mcp.collisionBehavior": "suffix",
    // A terminal that is drawn on a canvas cannot be read.
    "terminal.integrated.gpuAcceleration": "off",
  };
  writeFileSync(join(data, "User/settings.json"), JSON.stringify(settings));
  // A program is named where it runs, and not where the browser is.
  mkdirSync(join(data, "Machine"), { recursive: true });
  writeFileSync(join(data, "Machine/settings.json"), JSON.stringify({ "acCred.program": program }));
  const inputs = [{ id: "appcircle", type: "command", command: "acCred.getToken", args: "acme" }];
  const env = { AC_ACCESS_TOKEN: "${input:appcircle}" };
  const tasks = {
    version: "2.0.0",
    inputs,
    tasks: [
      {
        label: "release",
        type: "shell",
        command: 'printf %s "$AC_ACCESS_TOKEN" > seen.txt',
        options: { env },
        presentation: { reveal: "never" },
        problemMatcher: [],
      },
    ],
  };
  writeFileSync(join(folder, ".vscode/tasks.json"), JSON.stringify(tasks));
  const release = { name: "release", type: "node", request: "launch", program: "${workspaceFolder}/release.js", env };
  const launch = { version: "0.2.0", inputs, configurations: [{ ...release, runtimeExecutable: node }] };
  writeFileSync(join(folder, ".vscode/launch.json"), JSON.stringify(launch));
  const script = `require("fs").writeFileSync(${JSON.stringify(launched)}, process.env.AC_ACCESS_TOKEN)`;
  writeFileSync(join(folder, "release.js"), script);
  writeFileSync(launched, "");
  writeFileSync(join(folder, "release.sh"), 'curl -H "Authorization: Bearer $AC_ACCESS_TOKEN" https://api.appcircle.io/\n');
  const environment = { ...process.env, XDG_CONFIG_HOME: home };
  for (const client of ["vscode", "cursor", "windsurf", "copilot"])
    execFileSync(program, ["setup", client, "acme", "--write"], { env: environment });
  // What lies there before the first installation counts as installed.
  cpSync(join(__dirname, "inside"), join(home, "extensions/ac-cred-test.inside-0.0.1"), { recursive: true });
  execFileSync(node, [codeServer, ...places, "--install-extension", process.env.AC_CRED_VSIX]);
}

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

async function serve() {
  const address = `127.0.0.1:${await freePort()}`;
  const words = [codeServer, ...places, "--auth", "none", "--bind-addr", address];
  const { AC_CRED_KEY, ...environment } = process.env;
  const server = spawn(node, [...words, "--disable-telemetry", "--disable-update-check", folder], {
    env: { ...environment, AC_CRED_INSIDE: insideSocket },
  });
  await new Promise((done, fail) => {
    server.stdout.on("data", (piece) => String(piece).includes("HTTP server listening") && done());
    server.on("exit", (code) => fail(new Error(`code-server ended with ${code}`)));
  });
  return { server, url: `http://${address}/?folder=${encodeURIComponent(folder)}` };
}

class Person {
  constructor(page) {
    this.page = page;
  }

  row(text) {
    return this.page.locator(".quick-input-list .monaco-list-row", { hasText: text }).first();
  }

  life() {
    return this.page.locator(".statusbar-item", { hasText: /acme \d+m/ });
  }

  /** Presses this button of a dialog that asks this. */
  async answers(question, button) {
    const dialog = this.page.locator(".monaco-dialog-box", { hasText: question });
    await dialog.getByRole("button", { name: button, exact: true }).click();
  }

  /** Chooses what happens to an MCP server. */
  async startsServer(inside, server, what) {
    await inside.run(begin, "workbench.mcp.listServer");
    await this.choose(server);
    await this.choose(what);
  }

  /** Types a key for an organization where a terminal asks for it. */
  async types(secret, organization) {
    await this.page.locator(".xterm-rows", { hasText: `for ${organization} (not shown)` }).last().waitFor();
    await this.page.locator(".xterm-helper-textarea").last().focus();
    await this.page.keyboard.type(`${secret}\n`);
  }

  statusBar(text) {
    return this.page.locator(".statusbar-item", { hasText: text }).first().waitFor();
  }

  notification(text) {
    return this.page.locator(".notification-toast", { hasText: text }).first().waitFor();
  }

  async choose(text) {
    await this.row(text).click();
  }
}

async function eventually(what, holds) {
  for (let tries = 0; tries < 600; tries += 1) {
    if (await holds()) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  assert.fail(what);
}

/** Answers of functions that run in the extension host, in an extension beside ours. */
class Inside {
  constructor() {
    this.waiting = new Map();
  }

  async connect() {
    const connected = () =>
      new Promise((done) => {
        const socket = connect(insideSocket, () => done(socket)).on("error", () => done(undefined));
      });
    await eventually("the extension beside ours runs", async () => (this.socket = await connected()) !== undefined);
    createInterface({ input: this.socket }).on("line", (line) => {
      const { id, result, why } = JSON.parse(line);
      const [done, fail] = this.waiting.get(id);
      if (why === undefined) done(result);
      else fail(new Error(why));
    });
  }

  /** Runs a function that sees nothing but `vscode` and these words. */
  run(body, ...words) {
    const id = this.waiting.size;
    this.socket.write(`${JSON.stringify({ id, body: String(body), words })}\n`);
    return new Promise((done, fail) => this.waiting.set(id, [done, fail]));
  }
}

const getSession = (vscode, options) =>
  vscode.authentication.getSession("appcircle", [], options).then((session) => session && { ...session });
const command = (vscode, ...words) => vscode.commands.executeCommand(...words);
const begin = (vscode, name) => void vscode.commands.executeCommand(name);
const meant = (vscode) => vscode.workspace.getConfiguration("acCred").get("organization");
const tools = (vscode) => vscode.lm.tools.map(({ name }) => name).filter((name) => name.endsWith("_hello"));

const tests = {
  "the status bar shows the organization and the life of its token": ({ person }) => person.statusBar(/acme \d+m/),
  "the token can be copied, and a refused one replaced": async ({ person, inside }) => {
    await inside.run(begin, "acCred.copy");
    await person.notification("the token is in the clipboard");
    const old = printedBy("get", "acme");
    await inside.run(begin, "acCred.reject");
    await person.notification("the token was replaced");
    assert.notEqual(printedBy("get", "acme"), old);
    assert.equal(await inside.run(command, "acCred.getToken", "acme"), printedBy("get", "acme"));
  },
  "another extension gets a session once a person allows it, and a fresh token each time": async ({ person, inside }) => {
    const accounts = (vscode) => vscode.authentication.getAccounts("appcircle");
    assert.deepEqual((await inside.run(accounts)).map(({ id }) => id).sort(), ["acme", "beta"]);
    const account = { id: "acme", label: "acme" };
    assert.equal(await inside.run(getSession, { silent: true, account }), null);
    const asked = inside.run(getSession, { createIfNone: true, account });
    await person.answers("wants to", "Allow");
    const session = await asked;
    assert.equal(session.accessToken, printedBy("get", "acme"));
    assert.deepEqual(session.account, account);
    const renewed = printedBy("get", "acme", "--refresh");
    assert.equal((await inside.run(getSession, { silent: true, account })).accessToken, renewed);
  },
  "the organization is switched for the workspace": async ({ person, inside }) => {
    for (const name of ["beta", "acme"]) {
      await inside.run(begin, "acCred.switch");
      await person.choose(name);
      await person.statusBar(new RegExp(`${name} \\d+m`));
      assert.equal(await inside.run(meant), name);
    }
  },
  "a task has the token in its environment, anew at each run": async ({ inside }) => {
    const runTask = async (vscode) => {
      const task = (await vscode.tasks.fetchTasks()).find(({ name }) => name === "release");
      const ended = new Promise((done) => vscode.tasks.onDidEndTaskProcess(({ exitCode }) => done(exitCode)));
      await vscode.tasks.executeTask(task);
      return ended;
    };
    for (const words of [["get", "acme"], ["get", "acme", "--refresh"]]) {
      const token = printedBy(...words);
      assert.equal(await inside.run(runTask), 0);
      assert.equal(readFileSync(join(folder, "seen.txt"), "utf8"), token);
    }
  },
  "a launch has the token in its environment, anew at each run": async ({ inside }) => {
    const launch = (vscode) => vscode.debug.startDebugging(vscode.workspace.workspaceFolders[0], "release");
    for (const words of [["get", "acme"], ["get", "acme", "--refresh"]]) {
      const token = printedBy(...words);
      await inside.run(launch);
      await eventually("what is launched has the token", () => readFileSync(launched, "utf8") === token);
    }
  },
  "the MCP server of the organization is started, and again with a fresh token": async ({ person, inside }) => {
    for (const [what, words] of [["Start Server", ["get", "acme"]], ["Restart Server", ["get", "acme", "--refresh"]]]) {
      const token = printedBy(...words);
      await person.startsServer(inside, "Appcircle (acme)", what);
      await eventually("the server has listed its tools for the token", () => readFileSync(listed, "utf8") === token);
      await eventually("its tool is offered", async () => (await inside.run(tools)).length === 1);
    }
  },
  "what setup has written for VS Code, Cursor, Windsurf and Copilot CLI is read": async ({ person, inside }) => {
    const starts = async (server, isAsked) => {
      writeFileSync(listed, "");
      await person.startsServer(inside, server, "Start Server");
      if (isAsked) await person.answers("Trust and run MCP server", "Trust");
      await eventually(`${server} has listed its tools`, () => readFileSync(listed, "utf8") === printedBy("get", "acme"));
    };
    await starts(/^appcircle/);
    for (const server of [/^appcircle.*Cursor/, /^appcircle.*Windsurf/, /^appcircle.*Copilot/]) await starts(server, true);
    writeFileSync(join(folder, ".vscode/mcp.json"), printedBy("setup", "vscode", "acme"));
    await starts(/^appcircle.*project/);
  },
  "a click shows what can be done": async ({ person }) => {
    await person.page.locator(".statusbar-item", { hasText: /acme \d+m/ }).first().click();
    await person.row("Switch organization").waitFor();
    const picture = process.env.AC_CRED_PICTURE;
    if (picture) await person.page.screenshot({ path: picture });
    await person.page.keyboard.press("Escape");
  },
  "a lock is shown at once, and a login in a terminal ends it": async ({ person, inside }) => {
    printedBy("lock", "--yes");
    await person.statusBar("Appcircle");
    await eventually("the life is gone", async () => (await person.life().count()) === 0);
    printedBy("unlock");
    await inside.run(begin, "acCred.copy");
    await person.notification("run: ac-cred login acme");
    await inside.run(command, "acCred.login");
    await person.types(key, "acme");
    await person.statusBar(/acme \d+m/);
    assert.equal(await inside.run(command, "acCred.getToken"), printedBy("get", "acme"));
  },
  "a session that nobody has yet leads to a login in a terminal": async ({ person, inside }) => {
    printedBy("lock", "--yes");
    printedBy("unlock");
    const asked = inside.run(getSession, { forceNewSession: true });
    await person.answers("wants to", "Allow");
    await person.page.locator(".quick-input-widget input").fill("acme");
    await person.page.keyboard.press("Enter");
    await person.types(key, "acme");
    assert.equal((await asked).accessToken, printedBy("get", "acme"));
  },
};

async function main() {
  prepare();
  const { server, url } = await serve();
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  let failed = 0;
  try {
    const page = await browser.newPage({ viewport: { width: 1100, height: 620 } });
    page.setDefaultTimeout(90_000);
    await page.goto(url);
    await page.locator(".monaco-workbench").waitFor();
    const person = new Person(page);
    const inside = new Inside();
    await inside.connect();
    for (const [name, test] of Object.entries(tests)) {
      const why = await test({ person, inside }).then(
        () => undefined,
        (why) => why,
      );
      console.log(`${name}: ${why ? `FAILED: ${why.stack}` : "ok"}`);
      if (why && process.env.AC_CRED_FAILURE) await page.screenshot({ path: process.env.AC_CRED_FAILURE });
      failed += why ? 1 : 0;
    }
  } finally {
    await browser.close();
    server.removeAllListeners("exit");
    server.kill();
  }
  console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

void main();
