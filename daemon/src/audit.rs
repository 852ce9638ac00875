//! Who asked for what, and what came of it: a bounded list in memory, and a file if one is asked for,
//! never with a secret in it.
//!
//! A caller is told by the process id that the system gives with its connection. Which program that
//! is has to be looked up while the caller waits for its answer, as it may end with it; callers that
//! come again and again are looked up once a second.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ac_cred_proto::message::{Asked, Audited, End, Outcome};
use ac_cred_proto::{Org, Request, Response};

use crate::broker::Answer;
use crate::clock::Clock;
use crate::log_file::LogFile;
use crate::policy::{Moment, Span};

#[cfg(target_os = "linux")]
#[path = "audit/linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "audit/other.rs"]
mod system;

/// How many entries are remembered.
const REMEMBERED: usize = 1_000;

/// Among how many of the newest entries one is looked for that says the same.
const LOOKED_AT: usize = 8;

/// How many callers' programs are remembered, and how long.
const PROGRAMS: usize = 64;
const SAME_PROCESS: Span = Span::seconds(1);

/// The peer of a connection, as far as the system tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Its user id.
    pub uid: Option<u32>,
    /// The id of its process.
    pub pid: Option<u32>,
}

/// All that is remembered.
pub struct Audit {
    clock: Arc<dyn Clock>,
    entries: Mutex<VecDeque<Audited>>,
    programs: Mutex<VecDeque<Known>>,
    file: Option<Mutex<Kept>>,
}

/// The file to which every request is added.
struct Kept {
    file: LogFile,
    /// Whether the last one could not be.
    is_failing: bool,
}

/// A program that was looked up.
struct Known {
    pid: u32,
    at: Moment,
    program: Option<Arc<str>>,
}

/// Where the requests of one connection are noted.
pub struct Page {
    audit: Arc<Audit>,
    caller: Caller,
    program: OnceLock<Option<Arc<str>>>,
}

/// A request that will be noted once it is answered.
pub struct Question {
    asked: Asked,
    organization: Option<Org>,
}

impl Audit {
    /// An empty list.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            entries: Mutex::default(),
            programs: Mutex::default(),
            file: None,
        }
    }

    /// The same list, of which every entry is added to a file as well: one line of JSON each.
    #[must_use]
    pub fn kept_in(mut self, file: LogFile) -> Self {
        let is_failing = false;
        self.file = Some(Mutex::new(Kept { file, is_failing }));
        self
    }

    /// Where the requests of `caller` are noted.
    #[must_use]
    pub fn page(self: &Arc<Self>, caller: Caller) -> Page {
        Page {
            audit: Arc::clone(self),
            caller,
            program: OnceLock::new(),
        }
    }

    /// The program behind a process.
    fn program(&self, pid: u32) -> Option<Arc<str>> {
        let now = self.clock.now().moment;
        let mut programs = lock(&self.programs);
        let is_same = |known: &&Known| known.pid == pid && known.at.until(now) < SAME_PROCESS;
        if let Some(known) = programs.iter().find(is_same) {
            return known.program.clone();
        }
        let program = system::program_behind(pid).map(Arc::from);
        programs.truncate(PROGRAMS - 1);
        programs.push_front(Known {
            pid,
            at: now,
            program: program.clone(),
        });
        program
    }

    /// Everything that is remembered, for another daemon; nothing is remembered here then.
    #[must_use]
    pub fn take(&self) -> Vec<Audited> {
        lock(&self.entries).drain(..).collect()
    }

    /// Remembers what another daemon has, where it belongs in time.
    pub fn resume(&self, entry: Audited) {
        let mut entries = lock(&self.entries);
        let place = entries.partition_point(|other| other.at <= entry.at);
        entries.insert(place, entry);
        if entries.len() > REMEMBERED {
            entries.pop_front();
        }
    }

    fn note(&self, new: Audited) {
        if let Some(file) = &self.file {
            lock(file).add(&new);
        }
        let mut entries = lock(&self.entries);
        let is_same = |old: &&mut Audited| {
            (old.pid, old.request, old.outcome) == (new.pid, new.request, new.outcome)
                && old.organization == new.organization
                && old.program == new.program
        };
        if let Some(old) = entries.iter_mut().rev().take(LOOKED_AT).find(is_same) {
            old.times = old.times.saturating_add(1);
            old.at = new.at;
            return;
        }
        if entries.len() == REMEMBERED {
            entries.pop_front();
        }
        entries.push_back(new);
    }
}

impl Kept {
    /// Adds an entry; that it cannot is told once, as nobody's request fails for it.
    fn add(&mut self, entry: &Audited) {
        let written = self.write(entry);
        let was_failing = std::mem::replace(&mut self.is_failing, written.is_err());
        if let Err(error) = written
            && !was_failing
        {
            tracing::error!("the audit file cannot be written: {error}");
        }
    }

    fn write(&mut self, entry: &Audited) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        // In one piece, since a line of another daemon may come at any time.
        self.file.write_all(&line)
    }
}

impl Page {
    /// What is to be noted of a request; nothing of one that tells no secret and changes nothing.
    #[must_use]
    pub fn question(&self, request: &Request) -> Option<Question> {
        let (asked, organization) = subject(request)?;
        if let Some(pid) = self.caller.pid {
            self.program.get_or_init(|| self.audit.program(pid));
        }
        Some(Question {
            asked,
            organization: organization.cloned(),
        })
    }

    /// Notes what came of a request.
    pub fn note(&self, question: Question, answer: &Answer) {
        let (outcome, organization) = result(answer);
        let program = self.program.get().and_then(Option::as_deref);
        self.audit.note(Audited {
            at: self.audit.clock.now().wall,
            request: question.asked,
            organization: organization.cloned().or(question.organization),
            outcome,
            times: 1,
            uid: self.caller.uid,
            pid: self.caller.pid,
            program: program.map(str::to_owned),
        });
    }

    /// What has been noted of one organization or all, the oldest first.
    #[must_use]
    pub fn read(&self, organization: Option<&Org>) -> Vec<Response> {
        let entries = lock(&self.audit.entries);
        let meant = entries
            .iter()
            .filter(|entry| organization.is_none() || entry.organization.as_ref() == organization);
        let told = meant.map(|entry| Response::Audited(Box::new(entry.clone())));
        told.chain([Response::End(End {})]).collect()
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a request asks for, and about whom, where it is remembered.
fn subject(request: &Request) -> Option<(Asked, Option<&Org>)> {
    Some(match request {
        Request::Get(get) => (Asked::Get, get.organization.as_ref()),
        Request::Reject(reject) => (Asked::Reject, reject.organization.as_ref()),
        // Without a credential it only asks what such a login would need.
        Request::Login(login)
            if login.credential.is_none() && login.from.is_none() && login.command.is_none() =>
        {
            return None;
        }
        Request::Login(login) => (Asked::Login, Some(&login.organization)),
        Request::Logout(logout) => (Asked::Logout, logout.organization.as_ref()),
        Request::Rename(rename) => (Asked::Rename, Some(&rename.old)),
        Request::Use(chosen) => (Asked::Use, Some(&chosen.organization)),
        Request::Unlock(_) => (Asked::Unlock, None),
        Request::Lock(_) => (Asked::Lock, None),
        Request::ChangePassphrase(_) => (Asked::ChangePassphrase, None),
        Request::Stop(_) => (Asked::Stop, None),
        Request::Move(wanted) => (Asked::Move, wanted.organization.as_ref()),
        Request::List(_)
        | Request::Restart(_)
        | Request::Status(_)
        | Request::Destination(_)
        | Request::Watch(_)
        | Request::Audit(_)
        | Request::Check(_) => return None,
    })
}

/// What came of a request, and the organization that it turned out to be about.
fn result(answer: &Answer) -> (Outcome, Option<&Org>) {
    let responses = match answer {
        Answer::One(response) => std::slice::from_ref(response),
        Answer::Many(responses) | Answer::Watch(responses, _) => responses,
        Answer::Elsewhere(..) => &[],
    };
    let mut outcome = Outcome::Ok;
    let mut organization = None;
    for response in responses {
        if let Response::Denied(denial) = response {
            outcome = Outcome::Failed(denial.error);
        } else if let Response::Lease(lease) = response {
            organization = Some(&lease.organization);
        } else if let ([Response::Name(name), _], Response::Name(_)) = (responses, response) {
            // One was forgotten.
            organization = Some(&name.organization);
        }
    }
    (outcome, organization)
}

#[cfg(test)]
mod tests;
