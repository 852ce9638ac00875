// What the extension brings: commands, a status bar item, sessions and MCP servers.

import * as vscode from "vscode";

import { Daemon } from "./daemon";
import { McpServers } from "./mcp";
import { Event, Refusal } from "./protocol";
import { Sessions } from "./sessions";
import { StatusBar } from "./statusBar";
import { Watch } from "./watch";

function setting(name: string): string | undefined {
  return vscode.workspace.getConfiguration("acCred").get<string>(name) || undefined;
}

const organization = () => setting("organization");
const program = () => setting("program") ?? "ac-cred";

/** What a person has to answer happens in a terminal, where it is not echoed. */
function inTerminal(...words: string[]): void {
  const terminal = vscode.window.createTerminal({ name: "Appcircle", shellPath: program(), shellArgs: words });
  terminal.show();
}

const logIn = (named?: string) => inTerminal("login", ...(named ? [named] : []));

/** Shows why something failed, with a button for what a person can do. */
async function complain(why: unknown): Promise<void> {
  const refusal = why instanceof Refusal ? why : new Refusal(String(why), "internal");
  const ways: Record<string, [string, () => void]> = {
    login_required: ["Log In", () => logIn(organization())],
    credential_refused: ["Log In", () => logIn(organization())],
    locked: ["Unlock", () => inTerminal("unlock")],
  };
  const way = ways[refusal.code];
  const chosen = await vscode.window.showErrorMessage(`ac-cred: ${refusal.message}`, ...(way ? [way[0]] : []));
  if (way && chosen === way[0]) way[1]();
}

async function choose(daemon: Daemon): Promise<void> {
  const names = await daemon.names();
  const chosen = await vscode.window.showQuickPick(names, { placeHolder: "Organization" });
  if (chosen === undefined) return;
  const target = vscode.workspace.workspaceFolders
    ? vscode.ConfigurationTarget.Workspace
    : vscode.ConfigurationTarget.Global;
  await vscode.workspace.getConfiguration("acCred").update("organization", chosen, target);
}

async function menu(): Promise<void> {
  const commands = {
    "Switch organization": "acCred.switch",
    "Copy token": "acCred.copy",
    "Replace a refused token": "acCred.reject",
    "Log in": "acCred.login",
    Unlock: "acCred.unlock",
  };
  const chosen = await vscode.window.showQuickPick(Object.keys(commands), { placeHolder: "Appcircle" });
  if (chosen) await vscode.commands.executeCommand(commands[chosen as keyof typeof commands]);
}

function registerCommands(context: vscode.ExtensionContext, daemon: Daemon): void {
  const register = (name: string, run: (...words: never[]) => unknown) => {
    const safely = async (...words: never[]) => {
      try {
        return await run(...words);
      } catch (why) {
        void complain(why);
        return undefined;
      }
    };
    context.subscriptions.push(vscode.commands.registerCommand(`acCred.${name}`, safely));
  };
  register("menu", menu);
  register("switch", () => choose(daemon));
  register("login", () => logIn(organization()));
  register("unlock", () => inTerminal("unlock"));
  register("reject", async () => {
    await daemon.reject(organization());
    void vscode.window.showInformationMessage("ac-cred: the token was replaced");
  });
  register("copy", async () => {
    await vscode.env.clipboard.writeText((await daemon.lease(organization())).access_token);
    void vscode.window.showInformationMessage("ac-cred: the token is in the clipboard");
  });
  // For `${command:acCred.getToken}` and for inputs of tasks and launch configurations.
  register("getToken", async (named?: unknown) => {
    const said = typeof named === "string" ? named : organization();
    return (await daemon.lease(said)).access_token;
  });
}

export function activate(context: vscode.ExtensionContext): void {
  const daemon = new Daemon(program);
  const statusBar = new StatusBar(organization);
  const sessions = new Sessions(daemon, logIn);
  const servers = new McpServers(daemon, (why) => void complain(why));
  registerCommands(context, daemon);
  const hear = (event: Event) => {
    statusBar.hear(event);
    sessions.hear(event);
    servers.hear(event);
  };
  const options = { supportsMultipleAccounts: true };
  context.subscriptions.push(
    statusBar,
    new Watch(hear, () => statusBar.forget()),
    vscode.authentication.registerAuthenticationProvider("appcircle", "Appcircle", sessions, options),
    vscode.lm.registerMcpServerDefinitionProvider("acCred", servers),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("acCred")) statusBar.show();
    }),
  );
}
