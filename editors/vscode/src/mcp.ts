// Appcircle's MCP server for each organization, with a fresh token at each start.

import * as vscode from "vscode";

import { Daemon } from "./daemon";
import { Event } from "./protocol";

export class McpServers implements vscode.McpServerDefinitionProvider<vscode.McpHttpServerDefinition> {
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly organizations = new Map<string, string>();
  readonly onDidChangeMcpServerDefinitions = this.changed.event;

  constructor(
    private readonly daemon: Daemon,
    private readonly complain: (why: unknown) => void,
  ) {}

  /** Offers the servers anew when an organization has come or gone. */
  hear(event: Event): void {
    const known = [...this.organizations.values()].includes(event.organization ?? "");
    const isNews = event.event === "watching" || (event.event === "renewed" ? !known : event.event === "logged_out");
    if (isNews) this.changed.fire();
  }

  async provideMcpServerDefinitions(): Promise<vscode.McpHttpServerDefinition[]> {
    // Without an organization, or a daemon that can be started, there is no server to offer.
    const names = await this.daemon.names().catch(() => []);
    const servers = await Promise.all(names.map((name) => this.server(name)));
    return servers.flatMap((server) => server ?? []);
  }

  async resolveMcpServerDefinition(
    server: vscode.McpHttpServerDefinition,
  ): Promise<vscode.McpHttpServerDefinition | undefined> {
    const organization = this.organizations.get(server.label);
    if (organization === undefined) return undefined;
    try {
      const { access_token } = await this.daemon.lease(organization);
      server.headers = { Authorization: `Bearer ${access_token}` };
      return server;
    } catch (why) {
      this.complain(why);
      return undefined;
    }
  }

  private async server(name: string): Promise<vscode.McpHttpServerDefinition | undefined> {
    const { mcp_url } = await this.daemon.destination(name);
    if (mcp_url === null) return undefined;
    const label = `Appcircle (${name})`;
    this.organizations.set(label, name);
    return new vscode.McpHttpServerDefinition(label, vscode.Uri.parse(mcp_url, true));
  }
}
