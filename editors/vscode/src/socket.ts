// The daemon's socket: where it is, whether it may be spoken to, and requests as JSON lines.

import { execFileSync } from "node:child_process";
import { lstatSync } from "node:fs";
import { connect, Socket } from "node:net";
import { userInfo } from "node:os";
import { dirname, join } from "node:path";

import { Refusal, Request, Response } from "./protocol";

/** The name of the socket of wire version 1. */
const NAME = "v1.sock";

/** The places where the daemon may listen, the best first; of the environment only AC_CRED_SOCKET is asked. */
export function candidates(): string[] {
  const said = process.env["AC_CRED_SOCKET"];
  if (said) return [said];
  if (process.platform === "win32") {
    return [`\\\\.\\pipe\\ac-cred-v1-${process.env["USERNAME"] ?? ""}`];
  }
  const { uid, homedir } = userInfo();
  const directories = [join(homedir, ".local/state/ac-cred")];
  const temporary = macTemporaryDirectory();
  if (temporary) directories.unshift(join(temporary, "ac-cred"));
  const run = `/run/user/${uid}`;
  if (isOwnDirectory(run, uid)) directories.unshift(join(run, "ac-cred"));
  return directories.map((directory) => join(directory, NAME));
}

function isOwnDirectory(path: string, uid: number): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.isDirectory() && found.uid === uid;
}

function macTemporaryDirectory(): string | undefined {
  if (process.platform !== "darwin") return undefined;
  return execFileSync("/usr/bin/getconf", ["DARWIN_USER_TEMP_DIR"], { encoding: "utf8" }).trim();
}

/** Refuses a socket whose directory others can enter. */
function verify(socket: string): void {
  if (process.platform === "win32") return;
  const directory = dirname(socket);
  const found = lstatSync(directory, { throwIfNoEntry: false });
  if (!found) return;
  const isPrivate = found.isDirectory() && found.uid === userInfo().uid && (found.mode & 0o077) === 0;
  if (!isPrivate) {
    throw new Refusal(`others can enter ${directory}`, "unsafe_files", `chmod 700 '${directory}'`);
  }
}

/** Connects to the first place where somebody listens. */
async function open(): Promise<Socket> {
  for (const path of candidates()) {
    verify(path);
    const socket = await new Promise<Socket | undefined>((done) => {
      const socket = connect(path);
      socket.once("connect", () => done(socket));
      socket.once("error", () => done(undefined));
    });
    if (socket) return socket;
  }
  throw new Refusal("no daemon is running", "daemon_unreachable", "ac-cred daemon start");
}

/** A conversation: every message as it comes, then `closed`, once. */
export class Conversation {
  private unread = "";
  private ended = false;

  private constructor(
    private readonly socket: Socket,
    private readonly heard: (response: Response) => void,
    private readonly closed: (why: Error) => void,
  ) {
    socket.setEncoding("utf8");
    socket.on("data", (piece: string) => this.read(piece));
    const gone = () => this.end(new Refusal("the daemon closed the connection", "daemon_unreachable"));
    socket.on("error", gone).on("close", gone);
  }

  static async begin(
    requests: Request[],
    heard: (response: Response) => void,
    closed: (why: Error) => void,
  ): Promise<Conversation> {
    const conversation = new Conversation(await open(), heard, closed);
    for (const request of requests) conversation.socket.write(`${JSON.stringify(request)}\n`);
    return conversation;
  }

  /** Ends it; nothing is heard afterwards but `closed`. */
  end(why: Error = new Refusal("ended here", "ended")): void {
    if (this.ended) return;
    this.ended = true;
    this.socket.destroy();
    this.closed(why);
  }

  private read(piece: string): void {
    const lines = (this.unread + piece).split("\n");
    this.unread = lines.pop() ?? "";
    for (const line of lines) {
      if (this.ended) return;
      try {
        this.heard(JSON.parse(line) as Response);
      } catch {
        this.end(new Refusal("the daemon's answer is not JSON", "internal"));
      }
    }
  }
}

/** Every message of the answer to one request. */
export async function ask(request: Request, waitMs: number): Promise<Response[]> {
  const isSequence = "list" in request || "status" in request || "logout" in request;
  const answers: Response[] = [];
  let conversation: Conversation | undefined;
  const answered = new Promise<Response[]>((done, fail) => {
    const late = new Refusal("the daemon did not answer in time", "daemon_unreachable");
    const timer = setTimeout(() => conversation?.end(late), waitMs + 1000);
    const closed = (why: Error) => {
      clearTimeout(timer);
      fail(why);
    };
    const heard = (response: Response) => {
      answers.push(response);
      const { denied } = response;
      if (denied) fail(new Refusal(denied.message, denied.error, denied.hint));
      else if (isSequence && !response.end) return;
      done(answers);
      conversation?.end();
    };
    Conversation.begin([request], heard, closed).then((begun) => (conversation = begun), closed);
  });
  return answered;
}
