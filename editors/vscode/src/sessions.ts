// Organizations as accounts of VS Code: other extensions ask for a session and get a token.

import * as vscode from "vscode";

import { Daemon } from "./daemon";
import { Event, Refusal } from "./protocol";

/** How long a person may take to log in, in milliseconds. */
const LOGIN_MS = 5 * 60_000;

export class Sessions implements vscode.AuthenticationProvider {
  private readonly changed = new vscode.EventEmitter<vscode.AuthenticationProviderAuthenticationSessionsChangeEvent>();
  private readonly renewed = new vscode.EventEmitter<string>();
  readonly onDidChangeSessions = this.changed.event;

  constructor(
    private readonly daemon: Daemon,
    private readonly logIn: (organization: string) => void,
  ) {}

  /** Tells the extensions that hold a session what has become of it. */
  hear(event: Event): void {
    if (!event.organization) return;
    if (event.event === "renewed") {
      this.renewed.fire(event.organization);
      this.changed.fire({ added: [], removed: [], changed: [session(event.organization, "")] });
    } else if (event.event === "logged_out") {
      this.changed.fire({ added: [], removed: [session(event.organization, "")], changed: [] });
    }
  }

  async getSessions(
    _scopes: readonly string[] | undefined,
    options: vscode.AuthenticationProviderSessionOptions,
  ): Promise<vscode.AuthenticationSession[]> {
    const names = options.account ? [options.account.id] : await this.daemon.names();
    const found = await Promise.allSettled(names.map((name) => this.daemon.lease(name)));
    // An organization without a token has no session; asking for one leads to a login.
    return found.flatMap((lease) =>
      lease.status === "fulfilled" ? [session(lease.value.organization, lease.value.access_token)] : [],
    );
  }

  async createSession(
    _scopes: readonly string[],
    options: vscode.AuthenticationProviderSessionOptions,
  ): Promise<vscode.AuthenticationSession> {
    const organization =
      options.account?.id ??
      (await vscode.window.showInputBox({ prompt: "The name to give the organization", ignoreFocusOut: true }));
    if (!organization) throw new Refusal("no organization was named", "no_organization_chosen");
    this.logIn(organization);
    await this.untilRenewed(organization);
    const lease = await this.daemon.lease(organization);
    return session(lease.organization, lease.access_token);
  }

  async removeSession(id: string): Promise<void> {
    const forget = "Forget";
    const question = `Forget the credential of ${id}? Appcircle is not told: delete the key there as well.`;
    if ((await vscode.window.showWarningMessage(question, { modal: true }, forget)) !== forget) return;
    await this.daemon.request({ logout: { organization: id } });
  }

  private untilRenewed(organization: string): Promise<void> {
    return new Promise((done, fail) => {
      const late = new Refusal("nobody logged in within five minutes", "login_required");
      const timer = setTimeout(() => {
        listening.dispose();
        fail(late);
      }, LOGIN_MS);
      const listening = this.renewed.event((name) => {
        if (name !== organization) return;
        clearTimeout(timer);
        listening.dispose();
        done();
      });
    });
  }
}

function session(organization: string, accessToken: string): vscode.AuthenticationSession {
  return { id: organization, accessToken, account: { id: organization, label: organization }, scopes: [] };
}
