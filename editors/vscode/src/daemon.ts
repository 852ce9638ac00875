// Requests to the daemon, which ac-cred is asked to start where it does not run.

import { execFile } from "node:child_process";

import { Destination, Lease, Refusal, Request, Response } from "./protocol";
import { ask } from "./socket";

/** How long an answer may take, in milliseconds. */
const WAIT_MS = 8000;

export class Daemon {
  /** `program` names the client of ac-cred. */
  constructor(private readonly program: () => string) {}

  async request(request: Request): Promise<Response[]> {
    try {
      return await ask(request, WAIT_MS);
    } catch (why) {
      if (!(why instanceof Refusal) || why.code !== "daemon_unreachable") throw why;
      await this.start();
      return ask(request, WAIT_MS);
    }
  }

  /** A token with the life it has left. */
  async lease(organization: string | undefined, refresh = false): Promise<Lease> {
    const get = { organization: organization ?? null, refresh, wait_ms: WAIT_MS };
    const [answer] = await this.request({ get });
    if (!answer?.lease) throw new Refusal("the daemon answered no token", "internal");
    return answer.lease;
  }

  async names(): Promise<string[]> {
    const answers = await this.request({ list: {} });
    return answers.flatMap((answer) => answer.name?.organization ?? []);
  }

  async destination(organization: string): Promise<Destination> {
    const [answer] = await this.request({ destination: { organization } });
    if (!answer?.destination) throw new Refusal("the daemon answered no destination", "internal");
    return answer.destination;
  }

  /** Says that the API answered a token with 401. */
  async reject(organization: string | undefined): Promise<void> {
    await this.request({ reject: { organization: organization ?? null, wait_ms: WAIT_MS } });
  }

  private start(): Promise<void> {
    return new Promise((done, fail) => {
      execFile(this.program(), ["daemon", "start"], { cwd: "/" }, (error, _, said) => {
        if (!error) return done();
        const why = said.trim() || `${this.program()} cannot be started; is it installed?`;
        fail(new Refusal(why, "daemon_unreachable"));
      });
    });
  }
}
