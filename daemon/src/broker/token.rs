//! Tokens for callers: a slot decides, exchanges are started, answers are given.

use ac_cred_proto::message::{Get, Lease, Reject, Warning};
use ac_cred_proto::settings::OrgSettings;
use ac_cred_proto::{Denial, ErrorCode, Org, Response};

use crate::broker::{Answer, Broker, Reply, Waiting, answer, deny, job, place};
use crate::clock::Now;
use crate::policy::slot::{Answers, Attempt, Caller, Decision, Failure, Grant, Need, Slot, Ticket};
use crate::policy::{Moment, Span, expiry};

/// Where an answer goes, and when it was asked for, where another daemon was asked.
type Asked = (Reply, Option<Moment>);

/// The longest that a caller may wait.
pub(crate) const LONGEST_WAIT: Span = Span::seconds(3_600);

impl Broker {
    pub(crate) fn get(&mut self, get: &Get, (reply, asked): Asked, now: Now) {
        let demanded = get.min_ttl.map(|seconds| Span::seconds(seconds.into()));
        let need = match (get.refresh, demanded) {
            (true, _) => Need::New(demanded.unwrap_or_default()),
            (false, Some(demanded)) => Need::Life(demanded),
            (false, None) => Need::Wish,
        };
        let organization = get.organization.as_ref();
        let (org, mut caller) = match self.caller(organization, need, get.wait_ms, now) {
            Ok(found) => found,
            Err(denial) => return deny(reply, denial),
        };
        caller.asked = asked.unwrap_or(now.moment);
        let decision = self.slot(&org).ask(caller, now.moment);
        let waiting = Waiting {
            reply,
            question: get.clone(),
            asked: caller.asked,
            deadline: caller.deadline,
        };
        self.follow(&org, decision, (caller.ticket, waiting), now);
    }

    pub(crate) fn reject(&mut self, reject: &Reject, (reply, asked): Asked, now: Now) {
        let organization = reject.organization.as_ref();
        let (org, mut caller) = match self.caller(organization, Need::Other, reject.wait_ms, now) {
            Ok(found) => found,
            Err(denial) => return deny(reply, denial),
        };
        caller.asked = asked.unwrap_or(now.moment);
        let slot = self.slot(&org);
        let had_one = slot.held(now.moment).is_some();
        let decision = slot.reject(reject.token.as_ref(), caller, now.moment);
        if had_one && slot.held(now.moment).is_none() {
            self.tell_dropped(&org);
        }
        // The refused token is gone: another daemon is asked for any.
        let question = Get {
            organization: reject.organization.clone(),
            min_ttl: None,
            refresh: false,
            wait_ms: reject.wait_ms,
        };
        let waiting = Waiting {
            reply,
            question,
            asked: caller.asked,
            deadline: caller.deadline,
        };
        self.follow(&org, decision, (caller.ticket, waiting), now);
    }

    /// The organization that is meant, and the caller as its slot sees it.
    fn caller(
        &mut self,
        organization: Option<&Org>,
        need: Need,
        wait_ms: u32,
        now: Now,
    ) -> Result<(Org, Caller), Denial> {
        let ticket = Ticket(self.next_number());
        let (org, _) = self.settings.settings()?.choose(organization)?;
        let deadline = now.moment.after(Span(wait_ms.into()).min(LONGEST_WAIT));
        Ok((
            org.clone(),
            Caller {
                ticket,
                need,
                deadline,
                asked: now.moment,
            },
        ))
    }

    fn slot(&mut self, org: &Org) -> &mut Slot {
        self.slots.entry(org.clone()).or_default()
    }

    /// Does what a slot decided for one caller.
    fn follow(
        &mut self,
        org: &Org,
        decision: Decision,
        (ticket, waiting): (Ticket, Waiting),
        now: Now,
    ) {
        match decision {
            Decision::Wait => {
                self.callers.insert(ticket, waiting);
            }
            Decision::Serve(_) | Decision::Deny(_) => {
                answer(
                    waiting.reply,
                    Answer::One(self.response(org, decision, now)),
                );
            }
        }
        self.attend(org, now);
    }

    /// Starts what a slot wants, and notes when it wants to be asked again.
    pub(crate) fn attend(&mut self, org: &Org, now: Now) {
        if self.handover.is_frozen() {
            return;
        }
        let Some(slot) = self.slots.get_mut(org) else {
            return;
        };
        if slot.wants_exchange(now.moment) {
            self.start_exchange(org, now);
        }
        if let Some(wakeup) = self.slots.get(org).and_then(|slot| slot.next_wakeup()) {
            self.wakeups.insert((wakeup, org.clone()));
        }
    }

    fn start_exchange(&mut self, org: &Org, now: Now) {
        let attempt = Attempt(self.next_number());
        let Some(slot) = self.slots.get_mut(org) else {
            return;
        };
        slot.begin(attempt);
        self.attempts.insert(attempt, org.clone());
        match self.known(org).cloned() {
            Ok(settings) => {
                self.reading.insert(attempt, settings.store);
                self.jobs.spawn(job::read(
                    self.tools.clone(),
                    attempt,
                    org.clone(),
                    Box::new(settings),
                ));
            }
            Err(denial) => self.settle(attempt, Err(Failure::Here(denial)), now),
        }
    }

    /// Exchanges a credential that has been read, unless nobody wants its token any more.
    pub(crate) fn prepared(
        &mut self,
        attempt: Attempt,
        prepared: Result<job::Prepared, Denial>,
        now: Now,
    ) {
        self.reading.remove(&attempt);
        let org = self.attempts.get(&attempt);
        let slot = org.and_then(|org| self.slots.get(org));
        // What a successor has been told of goes on here, and its end goes there.
        let is_wanted = self.handover.is_frozen() || slot.is_some_and(|slot| slot.expects(attempt));
        match prepared {
            Ok(prepared) if is_wanted => {
                tracing::debug!(attempt = attempt.0, at = now.moment.0, "exchange");
                let tools = self.tools.clone();
                self.jobs.spawn(job::exchange(tools, attempt, prepared));
            }
            Ok(_) => drop(self.attempts.remove(&attempt)),
            Err(denial) => self.exchanged(attempt, Err(Failure::Here(denial)), now),
        }
    }

    /// The settings of an organization, or why there are none.
    fn known(&self, org: &Org) -> Result<&OrgSettings, Denial> {
        let settings = self.settings.settings()?;
        settings
            .organizations
            .get(org)
            .ok_or_else(|| settings.unknown(org))
    }

    pub(crate) fn settle(&mut self, attempt: Attempt, result: Result<Grant, Failure>, now: Now) {
        let Some(org) = self.attempts.remove(&attempt) else {
            return;
        };
        let Some(slot) = self.slots.get_mut(&org) else {
            return;
        };
        match &result {
            Ok(grant) => tracing::info!(%org, life = grant.life.whole_seconds(), "a new token"),
            Err(failure) => {
                tracing::warn!(%org, error = %failure.denial().error, "{}", failure.denial().message);
            }
        }
        let result = result.map_err(|failure| hinted(failure, &org));
        let failed = result
            .as_ref()
            .err()
            .map(|failure| failure.denial().clone());
        let answers = slot.settle(attempt, result, (now.moment, now.wall), fastrand::f64());
        self.give(&org, answers, now);
        match failed {
            None => self.tell_renewed(&org, now),
            Some(denial) => self.tell_failed(&org, &denial),
        }
        self.attend(&org, now);
    }

    /// Answers callers as a slot decided.
    pub(crate) fn give(&mut self, org: &Org, answers: Answers, now: Now) {
        for (ticket, decision) in answers.0 {
            if let Some(waiting) = self.callers.remove(&ticket) {
                answer(
                    waiting.reply,
                    Answer::One(self.response(org, decision, now)),
                );
            }
        }
    }

    fn response(&mut self, org: &Org, decision: Decision, now: Now) -> Response {
        match decision {
            Decision::Serve(warning) => self.lease(org, warning, now),
            Decision::Deny(denial) => Response::Denied(denial),
            Decision::Wait => Response::Denied(Denial::new(
                ErrorCode::Internal,
                "a caller was told to wait twice",
            )),
        }
    }

    fn lease(&mut self, org: &Org, warning: Option<Warning>, now: Now) -> Response {
        let warning = warning.or_else(|| self.expiry_warning(org, now));
        let settings = match self.known(org) {
            Ok(settings) => settings,
            Err(denial) => return Response::Denied(denial),
        };
        let held = self.slots.get(org).and_then(|slot| slot.held(now.moment));
        let Some(held) = held else {
            return Response::Denied(Denial::new(
                ErrorCode::Internal,
                "a token was served that is not held",
            ));
        };
        Response::Lease(Box::new(Lease {
            organization: org.clone(),
            organization_id: held.organization_id.as_deref().map(str::to_owned),
            access_token: held.token.clone(),
            expires_at: held.expires_at,
            expires_in: held.left(now.moment).whole_seconds(),
            api_url: settings.api_url.as_ref().to_owned(),
            warning,
            credential_expires_at: settings.expires,
        }))
    }

    /// Tells that the credential ends soon, and remembers that it was told.
    fn expiry_warning(&mut self, org: &Org, now: Now) -> Option<Warning> {
        let expires = self.known(org).ok()?.expires?;
        let warned = self.warned.get(org).copied();
        expiry::warns(expires, now.wall, now.moment, warned).then(|| {
            self.warned.insert(org.clone(), now.moment);
            Warning::CredentialExpires
        })
    }

    /// What a caller is told whose deadline comes before the answer of the store or the Auth API.
    pub(crate) fn unanswered(&self, org: &Org) -> Denial {
        let store = self.slots.get(org).and_then(|slot| {
            let mut reading = self.reading.iter();
            let (_, store) = reading.find(|(attempt, _)| slot.expects(**attempt))?;
            Some(*store)
        });
        if let Some(denial) = store.and_then(|store| place::silent(org, store)) {
            return denial;
        }
        let host = self
            .known(org)
            .map_or("the Auth API", |settings| settings.auth_url.as_ref());
        Denial::new(
            ErrorCode::AuthApiUnreachable,
            format!("{host} did not answer in time"),
        )
    }
}

/// A failure with the command that helps, where one does.
fn hinted(failure: Failure, org: &Org) -> Failure {
    let login = format!("ac-cred login {org}");
    match failure {
        Failure::Refused(denial) => Failure::Refused(denial.hint(login)),
        Failure::Transient(denial, pause) if denial.error == ErrorCode::WrongOrganization => {
            Failure::Transient(denial.hint(login), pause)
        }
        other @ (Failure::Transient(..) | Failure::Here(_)) => other,
    }
}
