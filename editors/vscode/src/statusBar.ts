// The organization and the life of its token in the status bar, from the daemon's events.

import * as vscode from "vscode";

import { Event } from "./protocol";

/** How often the shown life is brought up to date, in milliseconds. */
const TICK_MS = 30_000;

type Known = { ends: number } | { why: string };

export class StatusBar {
  private readonly item = vscode.window.createStatusBarItem("acCred", vscode.StatusBarAlignment.Right, 50);
  private readonly known = new Map<string, Known>();
  private readonly timer = setInterval(() => this.show(), TICK_MS);
  private locked = false;

  /** `meant` is the organization that is meant where none is named. */
  constructor(private readonly meant: () => string | undefined) {
    this.item.name = "Appcircle";
    this.item.command = "acCred.menu";
    this.show();
    this.item.show();
  }

  dispose(): void {
    clearInterval(this.timer);
    this.item.dispose();
  }

  hear(event: Event): void {
    const of = event.organization;
    if (event.event === "locked" || event.event === "unlocked") {
      this.locked = event.event === "locked";
      this.known.clear();
    } else if (of && event.expires_in !== null) {
      this.known.set(of, { ends: Date.now() + event.expires_in * 1000 });
    } else if (of && event.event === "login_needed") {
      this.known.set(of, { why: event.message ?? "log in" });
    } else if (of) {
      this.known.delete(of);
    }
    this.show();
  }

  forget(): void {
    this.locked = false;
    this.known.clear();
    this.show();
  }

  show(): void {
    const named = this.meant() ?? (this.known.size === 1 ? [...this.known.keys()][0] : undefined);
    const known = named === undefined ? undefined : this.known.get(named);
    const needsAPerson = this.locked || (known !== undefined && "why" in known);
    this.item.text = this.text(named, known);
    this.item.tooltip = known && "why" in known ? known.why : "Appcircle session tokens, from ac-cred";
    const warning = new vscode.ThemeColor("statusBarItem.warningBackground");
    this.item.backgroundColor = needsAPerson ? warning : undefined;
  }

  private text(named: string | undefined, known: Known | undefined): string {
    if (this.locked) return "$(lock) Appcircle";
    if (named === undefined) return "$(key) Appcircle";
    if (known === undefined) return `$(key) ${named}`;
    if ("why" in known) return `$(warning) ${named}: log in`;
    return `$(key) ${named} ${life(known.ends - Date.now())}`;
  }
}

function life(milliseconds: number): string {
  const minutes = Math.max(0, Math.floor(milliseconds / 60_000));
  return minutes >= 60 ? `${Math.floor(minutes / 60)}h` : `${minutes}m`;
}
