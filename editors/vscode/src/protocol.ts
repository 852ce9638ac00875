// The messages of the local socket that this extension sends and reads; times are RFC 3339.

export interface Lease {
  organization: string;
  organization_id: string | null;
  access_token: string;
  expires_at: string;
  expires_in: number;
  api_url: string;
  warning: string | null;
}

export interface Denied {
  error: string;
  message: string;
  hint: string | null;
  retry_after: number | null;
}

export interface Destination {
  organization: string;
  auth_url: string;
  api_url: string;
  mcp_url: string | null;
  ca_file: string | null;
  proxy: string | null;
}

export interface Event {
  event:
    | "watching"
    | "renewed"
    | "expiring"
    | "expired"
    | "login_needed"
    | "logged_out"
    | "locked"
    | "unlocked";
  organization: string | null;
  expires_at: string | null;
  expires_in: number | null;
  error: string | null;
  message: string | null;
  hint: string | null;
}

/** One message of an answer: an object with one key. */
export interface Response {
  lease?: Lease;
  name?: { organization: string };
  destination?: Destination;
  event?: Event;
  done?: object;
  end?: object;
  denied?: Denied;
}

export type Request = Record<string, Record<string, unknown>>;

/** Why no answer came: a sentence for people, a code for programs. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly hint: string | null = null,
  ) {
    super(hint ? `${message}; run: ${hint}` : message);
  }
}
