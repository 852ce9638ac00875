// The daemon's events, heard for as long as the editor runs.

import { Event } from "./protocol";
import { Conversation } from "./socket";

/** How long to wait before a lost watch is taken up again, in milliseconds. */
const PAUSE_MS = 5000;

export class Watch {
  private conversation: Conversation | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  /** `heard` gets each event; `lost` is called when nothing is known any more. */
  constructor(
    private readonly heard: (event: Event) => void,
    private readonly lost: () => void,
  ) {
    this.begin();
  }

  dispose(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.conversation?.end();
  }

  private begin(): void {
    const again = () => {
      if (this.stopped) return;
      this.lost();
      this.timer = setTimeout(() => this.begin(), PAUSE_MS);
    };
    Conversation.begin(
      [{ watch: {} }],
      (response) => {
        if (response.event) this.heard(response.event);
        else this.conversation?.end();
      },
      again,
    ).then((begun) => (this.conversation = begun), again);
  }
}
