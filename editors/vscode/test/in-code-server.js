// Drives the extension in a real VS Code (code-server) with a browser, as a person would.
//
// AC_CRED_CODE_SERVER is the folder where npm has installed code-server and playwright-core,
// AC_CRED_VSIX the packed extension, AC_CRED_PROGRAM the client; the daemon of AC_CRED_SOCKET knows
// `acme`, whose MCP server is a simulator. AC_CRED_PICTURE, if set, is where a picture goes.

const assert = require("node:assert/strict");
const { execFileSync, spawn } = require("node:child_process");
const { mkdirSync, readFileSync, existsSync, writeFileSync } = require("node:fs");
const { createServer } = require("node:net");
const { join } = require("node:path");

const installed = process.env.AC_CRED_CODE_SERVER;
const { chromium } = require(join(installed, "node_modules/playwright-core"));
const codeServer = join(installed, "node_modules/code-server/out/node/entry.js");
const node = join(installed, "bin/node");
const program = process.env.AC_CRED_PROGRAM;
const printedBy = (...words) => execFileSync(program, words, { encoding: "utf8" }).trim();

const home = join(process.env.HOME, "vscode");
const folder = join(home, "project");
const places = ["--user-data-dir", join(home, "data"), "--extensions-dir", join(home, "extensions")];

function prepare() {
  mkdirSync(join(folder, ".vscode"), { recursive: true });
  mkdirSync(join(home, "data/User"), { recursive: true });
  const settings = {
    "acCred.program": program,
    "acCred.organization": "acme",
    "security.workspace.trust.enabled": false,
    "workbench.startupEditor": "none",
    "workbench.colorTheme": "Default Light Modern",
    "telemetry.telemetryLevel": "off",
  };
  writeFileSync(join(home, "data/User/settings.json"), JSON.stringify(settings));
  const tasks = {
    version: "2.0.0",
    inputs: [{ id: "appcircle", type: "command", command: "acCred.getToken", args: "acme" }],
    tasks: [
      {
        label: "release",
        type: "shell",
        command: 'printf %s "$AC_ACCESS_TOKEN" > seen.txt',
        options: { env: { AC_ACCESS_TOKEN: "${input:appcircle}" } },
        presentation: { reveal: "never" },
      },
    ],
  };
  writeFileSync(join(folder, ".vscode/tasks.json"), JSON.stringify(tasks));
  writeFileSync(join(folder, "release.sh"), 'curl -H "Authorization: Bearer $AC_ACCESS_TOKEN" https://api.appcircle.io/\n');
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
  const server = spawn(node, [...words, "--disable-telemetry", "--disable-update-check", folder]);
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

  async command(name) {
    await this.page.keyboard.press("F1");
    const input = this.page.locator(".quick-input-widget input");
    await input.waitFor();
    await input.fill(`>${name}`);
    await this.page.locator(".quick-input-list .monaco-list-row", { hasText: name }).first().click();
  }

  statusBar(text) {
    return this.page.locator(".statusbar-item", { hasText: text }).first().waitFor();
  }

  notification(text) {
    return this.page.locator(".notification-toast", { hasText: text }).first().waitFor();
  }

  async choose(text) {
    await this.page.locator(".quick-input-list .monaco-list-row", { hasText: text }).first().click();
  }
}

async function eventually(what, holds) {
  for (let tries = 0; tries < 600; tries += 1) {
    if (await holds()) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  assert.fail(what);
}

const tests = {
  "the status bar shows the organization and the life of its token": (person) => person.statusBar(/acme \d+m/),
  "the token can be copied, and a refused one replaced": async (person) => {
    await person.command("Appcircle: Copy Token");
    await person.notification("the token is in the clipboard");
    const old = printedBy("get", "acme");
    await person.command("Appcircle: Replace a Refused Token");
    await person.notification("the token was replaced");
    assert.notEqual(printedBy("get", "acme"), old);
  },
  "a task has the token in its environment, anew at each run": async (person) => {
    const seen = join(folder, "seen.txt");
    const has = (token) => existsSync(seen) && readFileSync(seen, "utf8") === token;
    for (const words of [["get", "acme"], ["get", "acme", "--refresh"]]) {
      const token = printedBy(...words);
      await person.command("Tasks: Run Task");
      await person.choose("release");
      // The first run asks whether the task's output is to be scanned.
      const scan = person.page.locator(".quick-input-list .monaco-list-row", { hasText: "Continue without scanning" });
      await Promise.race([
        scan.first().click({ timeout: 60_000 }).catch(() => {}),
        eventually("the task has seen the token", () => has(token)),
      ]);
      await eventually("the task has seen the token", () => has(token));
    }
  },
  "the MCP server of the organization is offered": async (person) => {
    await person.command("MCP: List Servers");
    await person.page.locator(".quick-input-list .monaco-list-row", { hasText: "Appcircle (acme)" }).first().waitFor();
    await person.page.keyboard.press("Escape");
  },
  "a click shows what can be done": async (person) => {
    await person.page.locator(".statusbar-item", { hasText: /acme \d+m/ }).first().click();
    await person.page.locator(".quick-input-list .monaco-list-row", { hasText: "Switch organization" }).waitFor();
    const picture = process.env.AC_CRED_PICTURE;
    if (picture) await person.page.screenshot({ path: picture });
    await person.page.keyboard.press("Escape");
  },
  "a lock is shown at once, and its end as well": async (person) => {
    printedBy("lock", "--yes");
    await person.statusBar("Appcircle");
    await eventually("the life is gone", async () => (await person.page.locator(".statusbar-item", { hasText: /acme \d+m/ }).count()) === 0);
    printedBy("unlock");
    await person.command("Appcircle: Copy Token");
    await person.notification("run: ac-cred login acme");
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
    for (const [name, test] of Object.entries(tests)) {
      const why = await test(person).then(
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
